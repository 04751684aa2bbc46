/**
 * Secrets in files, read again whenever a file changes. Change is seen by the directory's own events where the system has them, and by a look at the files every few seconds; what was good
 * goes on until the new proves good, also while certificate and key are replaced one after the other. Decides nothing about what is in use: that is the store's.
 */
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { SecretReference, SecretSource } from '../config/tls-config.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { SecretValue } from './secret.ts';
import type { SecretStore } from './secret-store.ts';

/** What a file of secrets (`path_config_source`) holds under a name, and which files it was read from; or why it cannot be read. */
export type LoadedSecret =
  | { readonly ok: true; readonly value: SecretValue; readonly files: readonly string[] }
  | { readonly ok: false; readonly fault: string; readonly files: readonly string[] };

export interface FileSecretsInit {
  readonly store: SecretStore;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly loadSdsFile: (path: string, name: string) => Promise<LoadedSecret>;
}

/** How often files are looked at. */
const lookMs = 5_000;
/** Every so many looks they are read whatever their times say. */
const looksPerReading = 12;
/** Events come several at a time. */
const settleMs = 50;

interface Entry {
  readonly reference: SecretReference;
  files: readonly string[];
  /** Of the files when they were read. */
  fingerprint: string;
  fault: string;
  watcher: FSWatcher | null;
  reading: boolean;
}

export class FileSecrets implements TimerTarget {
  readonly #init: FileSecretsInit;
  readonly #entries = new Map<string, Entry>();
  readonly #timer: WheelTimer;
  readonly #reading = new Set<Promise<void>>();
  #looks = 0;

  constructor(init: FileSecretsInit) {
    this.#init = init;
    this.#timer = new WheelTimer(this);
  }

  /** Makes what is watched that which these refer to; others of them than files are passed over. PEM files are read before this returns. */
  watch(references: Iterable<SecretReference>): void {
    const wanted = new Map<string, SecretReference>();
    for (const reference of references) if (isFile(reference.source)) wanted.set(reference.key, reference);
    for (const [key, entry] of this.#entries) {
      if (wanted.has(key)) continue;
      entry.watcher?.close();
      this.#entries.delete(key);
      this.#init.store.remove(key);
    }
    for (const [key, reference] of wanted) {
      if (this.#entries.has(key)) continue;
      const entry: Entry = {
        reference,
        files: filesOf(reference),
        fingerprint: '',
        fault: '',
        watcher: this.#watcher(reference),
        reading: false,
      };
      this.#entries.set(key, entry);
      this.#look(entry, true);
    }
    if (this.#entries.size === 0) this.#init.wheel.disarm(this.#timer);
    else if (!this.#timer.armed) this.#init.wheel.arm(this.#timer, lookMs);
  }

  /** Resolves when everything that is watched now has been read once. */
  async whenRead(): Promise<void> {
    await Promise.all(this.#reading);
  }

  close(): void {
    this.#init.wheel.disarm(this.#timer);
    for (const { watcher } of this.#entries.values()) watcher?.close();
    this.#entries.clear();
  }

  onTimer(): void {
    this.#looks++;
    for (const entry of this.#entries.values()) this.#look(entry, this.#looks % looksPerReading === 0);
    this.#init.wheel.arm(this.#timer, lookMs);
  }

  /** Null: the system does not tell of changes there; the timer sees them. */
  #watcher({ source }: SecretReference): FSWatcher | null {
    if (!isFile(source)) return null;
    const file = source.kind === 'certificate-files' ? source.chainPath : source.path;
    try {
      const watcher = watch(source.watchedDirectory === '' ? dirname(file) : source.watchedDirectory, {
        persistent: false,
      });
      watcher.on('change', () => this.#init.wheel.arm(this.#timer, settleMs));
      watcher.on('error', () => watcher.close());
      return watcher;
    } catch {
      return null;
    }
  }

  #look(entry: Entry, whatever: boolean): void {
    const fingerprint = entry.files.map(fileState).join();
    if (entry.reading || (!whatever && fingerprint === entry.fingerprint)) return;
    entry.fingerprint = fingerprint;
    const { source, name } = entry.reference;
    if (source.kind !== 'sds-file') {
      this.#take(entry, readPem(entry.reference));
      return;
    }
    entry.reading = true;
    const reading = this.#init.loadSdsFile(source.path, name).then((loaded) => {
      entry.reading = false;
      this.#reading.delete(reading);
      if (this.#entries.get(entry.reference.key) !== entry) return;
      if (loaded.files.length > 0 && loaded.files.join() !== entry.files.join()) {
        entry.files = loaded.files;
        entry.fingerprint = entry.files.map(fileState).join();
      }
      this.#take(entry, loaded);
    });
    this.#reading.add(reading);
  }

  #take(entry: Entry, loaded: LoadedSecret): void {
    const { store, log } = this.#init;
    const { key, name } = entry.reference;
    const before = store.get(key);
    let fault = loaded.ok ? '' : loaded.fault;
    if (loaded.ok) {
      const refused = store.set(key, name, entry.fingerprint, loaded.value);
      if (refused !== null) fault = `${refused.field}: ${refused.message}`;
    } else store.refuse(key, fault);
    if (fault !== '' && fault !== entry.fault)
      log.warn(
        `secret ${JSON.stringify(name)} in files: ${fault}; ${before === undefined ? 'there is none from before' : 'the one before goes on'}, and the files are looked at again`,
      );
    entry.fault = fault;
    if (fault === '' && before !== undefined && store.get(key) !== before)
      log.info(`secret ${JSON.stringify(name)} was read again from its files`);
  }
}

function isFile(source: SecretSource): source is Exclude<SecretSource, { readonly kind: 'ads' | 'sds-service' }> {
  return source.kind !== 'ads' && source.kind !== 'sds-service';
}

function filesOf({ source }: SecretReference): readonly string[] {
  switch (source.kind) {
    case 'certificate-files':
      return [source.chainPath, source.keyPath];
    case 'trust-file':
    case 'sds-file':
      return [source.path];
    case 'ads':
    case 'sds-service':
      return [];
  }
}

function readPem({ source }: SecretReference): LoadedSecret {
  try {
    if (source.kind === 'certificate-files')
      return {
        ok: true,
        value: {
          kind: 'certificate',
          chainPem: readFileSync(source.chainPath, 'utf8'),
          keyPem: readFileSync(source.keyPath, 'utf8'),
        },
        files: [],
      };
    if (source.kind === 'trust-file')
      return {
        ok: true,
        value: { kind: 'validation', trustedCaPem: readFileSync(source.path, 'utf8'), subjectAltNames: [] },
        files: [],
      };
  } catch (error) {
    return { ok: false, fault: (error as Error).message, files: [] };
  }
  return { ok: false, fault: 'it is no PEM file', files: [] };
}

/** Changes whenever the file is written or replaced, also by way of a link. */
function fileState(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path);
    return `${ino}:${mtimeMs}:${size}`;
  } catch {
    return 'none';
  }
}
