/**
 * Configuration files as they were last read: what of each is in force, and what is wrong. `read()` looks at the disk again. Unchanged files keep the identity of their
 * resources; a broken file keeps its last good content; a deleted file's content goes. No timers and no watching: that is file-source.ts.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { sep } from 'node:path';
import type { Resource } from '../config-kind/resource.ts';
import { checkReferences } from '../model/check-references.ts';
import type { Fault } from './fault.ts';
import { listFiles, reasonOf } from './list-files.ts';
import { mergeFiles } from './merge-files.ts';
import { maxFileBytes, parseFile } from './parse-file.ts';

export interface SourceState {
  readonly resources: readonly Resource[];
  readonly faults: readonly Fault[];
  /** References to Services and ports that are not there (the route then answers 500 or UNAVAILABLE), and the like. */
  readonly warnings: readonly Fault[];
}

/** Of a file with faults: what was good last, as a running control plane needs it, or what of it can be read, to check everything at once. */
export type BrokenFiles = 'last-good' | 'what-can-be-read';

interface FileEntry {
  /** Of the last reading: modification time, size, inode. */
  readonly signature: string;
  readonly digest: string;
  /** Last good content, or what could be read. */
  readonly resources: readonly Resource[];
  readonly faults: readonly Fault[];
  readonly broken: readonly string[];
}

const nothing: SourceState = { resources: [], faults: [], warnings: [] };

export class ConfigurationFiles {
  readonly #paths: readonly string[];
  #entries = new Map<string, FileEntry>();
  #folders: readonly string[] = [];
  readonly #knownFolders = new Set<string>();
  #winners: ReadonlyMap<string, string> = new Map();
  #state: SourceState = nothing;
  readonly #brokenFiles: BrokenFiles;

  constructor(paths: readonly string[], brokenFiles: BrokenFiles = 'last-good') {
    this.#paths = paths;
    this.#brokenFiles = brokenFiles;
  }

  get state(): SourceState {
    return this.#state;
  }

  /** Folders whose changes matter. */
  get folders(): readonly string[] {
    return this.#folders;
  }

  get fileCount(): number {
    return this.#entries.size;
  }

  /** Documents with faults, as parse-file.ts names them. */
  get broken(): readonly string[] {
    return [...this.#entries.values()].flatMap((entry) => entry.broken);
  }

  /** Reads what changed; `everything`: also files whose time and size are as before. True when the state is another one. */
  read(everything: boolean): boolean {
    const list = listFiles(this.#paths, this.#knownFolders);
    this.#folders = list.folders;
    for (const folder of list.folders) this.#knownFolders.add(folder);
    const entries = new Map<string, FileEntry>();
    for (const file of list.files)
      entries.set(file, readEntry(file, this.#entries.get(file), everything, this.#brokenFiles));
    for (const [file, entry] of this.#entries) {
      // Nobody knows whether a file of a folder that cannot be read is gone.
      if (
        !entries.has(file) &&
        list.unreadable.some((folder) => file.startsWith(folder.endsWith(sep) ? folder : folder + sep))
      )
        entries.set(file, entry);
    }
    this.#entries = entries;
    const merged = mergeFiles(
      [...entries.values()].map(({ resources }) => resources),
      this.#winners,
    );
    this.#winners = merged.winners;
    const faults = [...list.faults, ...[...entries.values()].flatMap((entry) => entry.faults), ...merged.faults];
    const before = this.#state;
    const sameResources =
      before.resources.length === merged.resources.length &&
      before.resources.every((resource, at) => resource === merged.resources[at]);
    if (sameResources && JSON.stringify(before.faults) === JSON.stringify(faults)) return false;
    const resources = sameResources ? before.resources : merged.resources;
    const warnings = sameResources
      ? before.warnings
      : checkReferences(resources).map(({ place, path, message }) => ({ ...place, path, message }));
    this.#state = { resources, faults, warnings };
    return true;
  }
}

function readEntry(
  file: string,
  before: FileEntry | undefined,
  everything: boolean,
  brokenFiles: BrokenFiles,
): FileEntry {
  const failed = (message: string): FileEntry => ({
    signature: '',
    digest: '',
    resources: before?.resources ?? [],
    faults: [{ file, line: 0, column: 0, path: '', message }],
    broken: [''],
  });
  try {
    const stat = statSync(file, { bigint: true });
    // A pipe would be waited for without end.
    if (!stat.isFile()) return failed('is not a regular file; a file is expected');
    const signature = `${stat.mtimeNs}:${stat.size}:${stat.ino}`;
    if (before !== undefined && !everything && before.signature === signature) return before;
    if (stat.size > maxFileBytes) return failed(`has ${stat.size} bytes; at most ${maxFileBytes} are read`);
    const text = readFileSync(file, 'utf8');
    const digest = createHash('sha256').update(text).digest('base64');
    if (before !== undefined && before.digest === digest) return { ...before, signature };
    const parsed = parseFile(file, text);
    return {
      signature,
      digest,
      resources: parsed.faults.length > 0 && brokenFiles === 'last-good' ? (before?.resources ?? []) : parsed.resources,
      faults: parsed.faults,
      broken: parsed.broken,
    };
  } catch (error) {
    return failed(reasonOf(error));
  }
}
