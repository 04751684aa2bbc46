/** What `outrigger validate` finds: the same checks as the running control plane's, once, without watching. */
import { readFileSync } from 'node:fs';
import { checkKeyFiles } from '../jwks/check-key-files.ts';
import { absentText } from '../model/backend-problem.ts';
import { pastFaults } from '../model/past-faults.ts';
import { ConfigurationFiles } from './configuration-files.ts';
import type { Fault } from './fault.ts';

export interface Validation {
  /** Each makes the configuration unusable as a whole or in part: exit 1. */
  readonly faults: readonly Fault[];
  /** Fine by themselves, but likely not meant. */
  readonly warnings: readonly Fault[];
  readonly files: number;
  readonly resources: number;
}

/** Checks files and folders. A path that does not exist is a fault, and so is a list of paths that holds no configuration file at all. `wallMs`: what is over then is told. */
export function validatePaths(paths: readonly string[], wallMs: () => number): Validation {
  const files = new ConfigurationFiles(paths, { brokenFiles: 'what-can-be-read' });
  files.read(true, 'start');
  const { faults, warnings, resources } = files.state;
  const found: Fault[] = faults.map(({ file, line, column, path, message }) => ({ file, line, column, path, message }));
  if (files.fileCount === 0 && found.length === 0) {
    found.push({
      file: paths.join(', '),
      line: 0,
      column: 0,
      path: '',
      message: 'there is no .yaml, .yml or .json file in it',
    });
  }
  const keyWarnings = checkKeyFiles(resources, (file) => readFileSync(file, 'utf8'));
  return {
    faults: found,
    warnings: [
      ...warnings.filter(({ message }) => !isOfBroken(message, files.broken)),
      ...keyWarnings,
      ...pastFaults(resources, wallMs).map(({ place, path, message }) => ({ ...place, path, message })),
    ],
    files: files.fileCount,
    resources: resources.length,
  };
}

/** Something is said not to be there that is there, with faults of its own. */
function isOfBroken(message: string, broken: readonly string[]): boolean {
  const absent = absentText(message);
  return absent !== null && broken.some((name) => name === '' || name === absent || name.startsWith(`${absent} `));
}
