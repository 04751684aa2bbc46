/** The resources of all files as one list. Two of the same kind, namespace and name are a fault that names both places; the one in force stays. */
import { type Resource, resourceName } from '../config-kind/resource.ts';
import type { Fault } from './fault.ts';

export interface MergedFiles {
  readonly resources: readonly Resource[];
  /** Each with the name of the resource that stands twice. */
  readonly faults: ReadonlyArray<Fault & { readonly name: string }>;
  /** Names that stand in several places. */
  readonly contested: readonly string[];
  /** Which file each resource came from, by its name: handed in again next time. */
  readonly winners: ReadonlyMap<string, string>;
}

export function mergeFiles(
  perFile: ReadonlyArray<readonly Resource[]>,
  before: ReadonlyMap<string, string>,
): MergedFiles {
  const byName = new Map<string, Resource[]>();
  for (const resources of perFile) {
    for (const resource of resources) {
      const name = resourceName(resource);
      const list = byName.get(name);
      if (list === undefined) byName.set(name, [resource]);
      else list.push(resource);
    }
  }
  const resources: Resource[] = [];
  const faults: Array<Fault & { readonly name: string }> = [];
  const contested: string[] = [];
  const winners = new Map<string, string>();
  for (const [name, candidates] of byName) {
    const winner = candidates.find(({ place }) => place.file === before.get(name)) ?? candidates[0]!;
    resources.push(winner);
    winners.set(name, winner.place.file);
    if (candidates.length > 1) contested.push(name);
    for (const other of candidates) {
      if (other === winner) continue;
      const { file, line, column } = winner.place;
      faults.push({
        name,
        ...other.place,
        path: 'metadata.name',
        message: `${name} stands at ${file}:${line}:${column} too; remove one of them (that one is in force)`,
      });
    }
  }
  return { resources, faults, contested, winners };
}
