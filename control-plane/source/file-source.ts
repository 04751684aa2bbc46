/** Watches configuration files and folders and tells when what they say has changed. What they say is in configuration-files.ts. */
import { type FSWatcher, watch } from 'node:fs';
import { ConfigurationFiles, type SourceState } from './configuration-files.ts';
import { type Look, settleMs } from './file-entry.ts';
import type { LastGoodFiles } from './last-good-files.ts';
import type { SourceClock } from './source-clock.ts';

export interface FileSourceOptions {
  readonly clock: SourceClock;
  /** Where what is good survives a restart. */
  readonly lastGood?: LastGoodFiles;
  /** After a change of resources or faults; never from within start(). */
  readonly onChange: (state: SourceState) => void;
  /** Quiet time after the last file event; default 50 ms. */
  readonly debounceMs?: number;
  /** Looking without an event, for file systems that send none; default 5 s. */
  readonly rescanIntervalMs?: number;
}

/** Events that may put a look off, one after the other. */
const maxPutOffs = 10;

export class FileSource {
  readonly #files: ConfigurationFiles;
  readonly #options: FileSourceOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  #cancelDebounce: (() => void) | null = null;
  /** How often the look was put off by another event. */
  #putOff = 0;
  #cancelRescan: (() => void) | null = null;
  #cancelSettle: (() => void) | null = null;
  #closed = false;

  /** `paths`: files and folders (with all folders below). */
  constructor(paths: readonly string[], options: FileSourceOptions) {
    const { clock, lastGood } = options;
    this.#files = new ConfigurationFiles(paths, {
      nowMs: () => clock.nowMs(),
      wallMs: () => clock.wallMs(),
      ...(lastGood === undefined ? {} : { lastGood: lastGood.load(), onGood: (good) => lastGood.save(good) }),
    });
    this.#options = options;
  }

  get state(): SourceState {
    return this.#files.state;
  }

  /** Reads everything, synchronously, then watches. */
  start(): SourceState {
    this.#files.read(true, 'start');
    this.#watchFolders();
    this.#armRescan();
    return this.state;
  }

  close(): void {
    this.#closed = true;
    this.#cancelDebounce?.();
    this.#cancelRescan?.();
    this.#cancelSettle?.();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #scan(everything: boolean, when: Look['when']): void {
    if (this.#closed) return;
    const changed = this.#files.read(everything, when);
    this.#watchFolders();
    if (this.#files.doubts) this.#cancelSettle ??= this.#options.clock.after(settleMs, () => this.#lookAgain());
    if (changed) this.#options.onChange(this.state);
  }

  #lookAgain(): void {
    this.#cancelSettle = null;
    this.#scan(true, 'any');
  }

  #armRescan(): void {
    this.#cancelRescan = this.#options.clock.after(this.#options.rescanIntervalMs ?? 5_000, () => {
      this.#scan(false, 'any');
      if (!this.#closed) this.#armRescan();
    });
  }

  /** Folders, not files: editors save by renaming a new file over the old one, which ends a watch on the file. */
  #watchFolders(): void {
    const wanted = new Set(this.#files.folders);
    for (const [folder, watcher] of this.#watchers) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of wanted) {
      if (this.#watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#onEvent());
        watcher.on('error', () => this.#dropWatcher(folder, watcher));
        this.#watchers.set(folder, watcher);
      } catch {
        // The folder went away, or the system has no more watches: looking every few seconds does the work then.
      }
    }
  }

  #dropWatcher(folder: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(folder) === watcher) this.#watchers.delete(folder);
  }

  #onEvent(): void {
    if (this.#closed) return;
    // Events without end (a log file in the folder) must not put the look off for ever.
    if (this.#cancelDebounce !== null && this.#putOff++ >= maxPutOffs) return;
    this.#cancelDebounce?.();
    this.#cancelDebounce = this.#options.clock.after(this.#options.debounceMs ?? 50, () => {
      const quiet = this.#putOff < maxPutOffs;
      this.#cancelDebounce = null;
      this.#putOff = 0;
      this.#scan(true, quiet ? 'quiet' : 'any');
    });
  }
}
