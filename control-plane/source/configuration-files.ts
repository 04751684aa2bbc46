/**
 * Configuration files as they were last read: what of each is in force, and what is wrong. `read()` looks at the disk again. Unchanged files keep the identity of their
 * resources; a broken file keeps its last good content, over a restart too (last-good-files.ts); a file in the midst of being written does too (file-entry.ts); a deleted file's content goes. No timers and no watching: that is file-source.ts.
 */
import { join, resolve, sep } from 'node:path';
import { type Resource, resourceName } from '../config-kind/resource.ts';
import { checkReferences } from '../model/check-references.ts';
import type { Fault } from './fault.ts';
import { type FileEntry, type Look, readEntry } from './file-entry.ts';
import type { GoodFile, LastGood } from './last-good-files.ts';
import { listFiles } from './list-files.ts';
import { mergeFiles } from './merge-files.ts';
import { parseFile } from './parse-file.ts';

/** A fault, and what is in force where it is. */
export interface SourceFault extends Fault {
  /** In words; '' when the message says it. */
  readonly meanwhile: string;
  /** Something is in force in the place of what is wrong; without it, a control plane does not start. */
  readonly covered: boolean;
}

export interface SourceState {
  readonly resources: readonly Resource[];
  readonly faults: readonly SourceFault[];
  /** References to Services and ports that are not there (the route then answers 500 or UNAVAILABLE), and the like. */
  readonly warnings: readonly Fault[];
}

/** Of a file with faults: what was good last, as a running control plane needs it, or what of it can be read, to check everything at once. */
export type BrokenFiles = 'last-good' | 'what-can-be-read';

export interface ConfigurationFilesOptions {
  /** Default: last-good. */
  readonly brokenFiles?: BrokenFiles;
  readonly nowMs?: () => number;
  readonly wallMs?: () => number;
  /** What was in force before a restart. */
  readonly lastGood?: LastGood;
  /** Told after a read in which what is good changed. */
  readonly onGood?: (lastGood: LastGood) => void;
}

const nothing: SourceState = { resources: [], faults: [], warnings: [] };

export class ConfigurationFiles {
  readonly #paths: readonly string[];
  readonly #nowMs: () => number;
  readonly #wallMs: () => number;
  readonly #onGood: (lastGood: LastGood) => void;
  #entries = new Map<string, FileEntry>();
  #folders: readonly string[] = [];
  readonly #knownFolders = new Set<string>();
  #winners: ReadonlyMap<string, string> = new Map();
  /** The winners of names that stand in several files. */
  #contested: ReadonlyMap<string, string> = new Map();
  #state: SourceState = nothing;
  readonly #brokenFiles: BrokenFiles;

  constructor(paths: readonly string[], options: ConfigurationFilesOptions = {}) {
    this.#paths = paths;
    this.#brokenFiles = options.brokenFiles ?? 'last-good';
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#wallMs = options.wallMs ?? (() => Date.now());
    this.#onGood = options.onGood ?? (() => {});
    if (options.lastGood !== undefined) this.#restore(options.lastGood);
  }

  /** Files as they were before a restart. Text that is not good by today's rules is none. */
  #restore({ files, winners }: LastGood): void {
    for (const [absolute, good] of files) {
      const file = givenName(this.#paths, absolute);
      const { resources, faults } = parseFile(file, good.text);
      if (faults.length === 0)
        this.#entries.set(file, {
          signature: '',
          digest: '',
          good: { ...good, resources },
          readable: resources,
          broken: [],
          faults: [],
          doubt: null,
        });
    }
    const before = [...this.#entries].flatMap(([file, { good }]) =>
      (good?.resources ?? []).map((resource): [string, string] => [resourceName(resource), file]),
    );
    this.#contested = new Map([...winners].map(([name, absolute]) => [name, givenName(this.#paths, absolute)]));
    this.#winners = new Map([...before, ...this.#contested]);
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

  /** A file is not believed yet: it must be looked at again after settleMs. */
  get doubts(): boolean {
    return [...this.#entries.values()].some(({ doubt }) => doubt !== null);
  }

  /** Documents with faults, as parse-file.ts names them. */
  get broken(): readonly string[] {
    return [...this.#entries.values()].flatMap((entry) => entry.broken);
  }

  /** Reads what changed; `everything`: also files whose time and size are as before. True when the state is another one. */
  read(everything: boolean, when: Look['when']): boolean {
    const look: Look = { everything, when, nowMs: this.#nowMs(), wallMs: this.#wallMs() };
    const list = listFiles(this.#paths, this.#knownFolders);
    this.#folders = list.folders;
    for (const folder of list.folders) this.#knownFolders.add(folder);
    const entries = new Map<string, FileEntry>();
    for (const file of list.files) entries.set(file, readEntry(file, this.#entries.get(file), look));
    for (const [file, entry] of this.#entries) {
      // Nobody knows whether a file that cannot be looked at, or of a folder that cannot be, is gone.
      if (!entries.has(file) && list.unreadable.some((path) => file === path || isBelow(file, path)))
        entries.set(file, entry);
    }
    const goodBefore = goodOf(this.#entries);
    this.#entries = entries;
    const known = this.#winners;
    const merged = mergeFiles(
      [...entries.values()].map(({ good, readable }) =>
        this.#brokenFiles === 'what-can-be-read' ? readable : (good?.resources ?? []),
      ),
      known,
    );
    this.#winners = merged.winners;
    const good = goodOf(entries);
    const contested = new Map(merged.contested.map((name) => [name, merged.winners.get(name)!]));
    if (!sameEntries(goodBefore, good) || !sameEntries(this.#contested, contested))
      this.#onGood({ files: good, winners: new Map([...contested].map(([name, file]) => [name, resolve(file)])) });
    this.#contested = contested;
    const faults: SourceFault[] = [
      ...list.faults.map((fault) =>
        withMeanwhile(
          fault,
          [...entries].filter(([file]) => file === fault.file || isBelow(file, fault.file)).map(([, entry]) => entry),
        ),
      ),
      ...[...entries.values()].flatMap((entry) => entry.faults.map((fault) => withMeanwhile(fault, [entry]))),
      ...merged.faults.map(({ name, ...fault }) => ({ ...fault, meanwhile: '', covered: known.has(name) })),
    ];
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

function isBelow(file: string, folder: string): boolean {
  return file.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** A file's path as listFiles() gives it, which may be relative. */
function givenName(paths: readonly string[], absolute: string): string {
  for (const path of paths) {
    const whole = resolve(path);
    if (absolute === whole) return path;
    if (isBelow(absolute, whole)) return join(path, absolute.slice(whole.length));
  }
  return absolute;
}

function goodOf(entries: ReadonlyMap<string, FileEntry>): Map<string, GoodFile> {
  const good = new Map<string, GoodFile>();
  for (const [file, entry] of entries) if (entry.good !== null) good.set(resolve(file), entry.good);
  return good;
}

function sameEntries(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

function withMeanwhile(fault: Fault, entries: readonly FileEntry[]): SourceFault {
  const times = entries.flatMap(({ good }) => (good === null ? [] : [good.readWallMs]));
  const covered = times.length > 0;
  return {
    ...fault,
    covered,
    meanwhile: covered
      ? `the last good content, of ${new Date(Math.max(...times)).toISOString()}, stays in force`
      : 'there is no last good content, so nothing of it is in force',
  };
}
