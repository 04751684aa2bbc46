/** What would be wrong if one configuration file had another text: the checks of `outrigger validate`, without writing anything. Of other files only what the edit has a part in is told as its own. */
import { readFileSync, statSync } from 'node:fs';
import { type Resource, resourceName } from '../config-kind/resource.ts';
import { checkKeyFiles } from '../jwks/check-key-files.ts';
import { checkReferences } from '../model/check-references.ts';
import { pastFaults } from '../model/past-faults.ts';
import type { Fault } from './fault.ts';
import { listFiles } from './list-files.ts';
import { mergeFiles } from './merge-files.ts';
import { maxFileBytes, parseFile } from './parse-file.ts';

export interface EditValidation {
  /** With any of them the text must not be taken. */
  readonly faults: readonly Fault[];
  /** Fine by themselves, but likely not meant; of all files, as one may break what another refers to. */
  readonly warnings: readonly Fault[];
  /** `Kind namespace/name` by what stands in the text. */
  readonly resources: readonly Resource[];
}

/** `file`: as `listFiles(paths)` names it. `wallMs`: what is over then is told. */
export function validateEdit(
  paths: readonly string[],
  file: string,
  text: string,
  wallMs: () => number,
): EditValidation {
  const edited = parseFile(file, text);
  const before = new Map<string, string>();
  const perFile = listFiles(paths, new Set()).files.map((name) => {
    if (name === file) return edited.resources;
    const { resources } = parseFile(name, readBounded(name));
    // What another file has already stays the one in force, so the fault is told at the place that the edit brings.
    for (const resource of resources) before.set(resourceName(resource), name);
    return resources;
  });
  const merged = mergeFiles(perFile, before);
  const faults = [
    ...edited.faults,
    ...merged.faults
      .filter((fault) => fault.file === file || fault.message.includes(`${file}:`))
      .map((fault) => ({
        file: fault.file,
        line: fault.line,
        column: fault.column,
        path: fault.path,
        message: fault.message,
      })),
  ];
  const placed = [...checkReferences(merged.resources), ...pastFaults(merged.resources, wallMs)];
  return {
    faults,
    warnings: [
      ...placed.map(({ place, path, message }) => ({ ...place, path, message })),
      ...checkKeyFiles(merged.resources, (name) => readFileSync(name, 'utf8')),
    ],
    resources: edited.resources,
  };
}

/** '' for what is no file that is read: its own fault is told elsewhere. */
function readBounded(file: string): string {
  try {
    const stats = statSync(file);
    return stats.isFile() && stats.size <= maxFileBytes ? readFileSync(file, 'utf8') : '';
  } catch {
    return '';
  }
}
