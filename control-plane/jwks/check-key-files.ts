/** For `outrigger validate`: key sets that RequestAuthentications name by file are there, and can verify tokens. URIs are not asked. */
import { keySetFault } from '../config-kind/key-set-text.ts';
import type { Resource } from '../config-kind/resource.ts';
import type { Fault } from '../source/fault.ts';

/** `readFile` throws when it cannot be read. */
export function checkKeyFiles(resources: readonly Resource[], readFile: (file: string) => string): Fault[] {
  const warnings: Fault[] = [];
  for (const resource of resources) {
    if (resource.kind !== 'RequestAuthentication') continue;
    for (const { keys } of resource.rules) {
      if (keys.from !== 'file') continue;
      const problem = problemOf(keys.file, readFile);
      const place = resource.referencePlaces.get(keys.path) ?? resource.place;
      if (problem !== null)
        warnings.push({ ...place, path: keys.path, message: `${problem}; every token of this issuer is refused` });
    }
  }
  return warnings;
}

function problemOf(file: string, readFile: (file: string) => string): string | null {
  try {
    const fault = keySetFault(readFile(file));
    return fault === null ? null : `${file} ${fault}`;
  } catch (error) {
    return `${file} cannot be read: ${(error as Error).message}`;
  }
}
