/** Which objects of the API server are listed and watched, and what of each is kept. A table of ours is in watched-kinds.ts. */
import type { RoleRule } from './api-fault.ts';

/** What is kept of an object. */
export interface Kept {
  /** `namespace/name` */
  readonly key: string;
  /** `metadata.resourceVersion`: opaque. */
  readonly version: string;
}

export interface WatchedKind<T extends Kept> {
  /** '' : the core group. */
  readonly group: string;
  readonly apiVersion: string;
  readonly plural: string;
  /** Where the API server has no such kind, there are simply none (404). */
  readonly optional: boolean;
  /** As a query has it; '' : all. */
  readonly fieldSelector: string;
  /** Null: of no interest. Throws when the object is not what Kubernetes says. */
  readonly keep: (object: unknown) => T | null;
}

export function collectionPath({ group, apiVersion, plural }: WatchedKind<Kept>): string {
  return group === '' ? `/api/${apiVersion}/${plural}` : `/apis/${group}/${apiVersion}/${plural}`;
}

export function watchRule({ group, plural }: WatchedKind<Kept>): RoleRule {
  return { group, resource: plural, verbs: ['list', 'watch'], namespace: '' };
}
