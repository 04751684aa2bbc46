/**
 * Where registered instances survive a restart: one JSON file in the data directory, written whole and renamed into place. Without a data directory nothing is kept.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import { type Instance, InstanceSchema } from '../../proto/generated/outrigger/registry/v1/registry_pb.js';

export interface StoredLease {
  readonly leaseId: string;
  readonly ttlSeconds: number;
  readonly instance: Instance;
  /** {@link RegisteredInstance.identity} */
  readonly identity: string;
}

const writeDelayMs = 100;

export class InstanceStore {
  readonly #file: string | null;
  readonly #log: Logger;
  readonly #after: (delayMs: number, callback: () => void) => () => void;
  #cancelWrite: (() => void) | null = null;
  #known = false;
  #pending: (() => readonly StoredLease[]) | null = null;

  /** `dataDir` null: nothing is kept. Throws when the directory cannot be made. */
  constructor(dataDir: string | null, log: Logger, after: (delayMs: number, callback: () => void) => () => void) {
    this.#log = log;
    this.#after = after;
    this.#file = dataDir === null ? null : join(dataDir, 'instances.json');
    if (dataDir !== null) mkdirSync(dataDir, { recursive: true });
  }

  /** load() found what was kept: nobody else was registered before this start. */
  get known(): boolean {
    return this.#known;
  }

  /** What was kept; a file that cannot be read is put aside, not lost. */
  load(): readonly StoredLease[] {
    if (this.#file === null) return [];
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn(`cannot read ${this.#file}: ${(error as Error).message}; starting without registered instances`);
      return [];
    }
    try {
      const stored = JSON.parse(text) as ReadonlyArray<{
        readonly leaseId: string;
        readonly ttlSeconds: number;
        readonly instance: JsonValue;
        /** Missing in files of before there were any. */
        readonly identity?: string;
      }>;
      const leases = stored.map(({ leaseId, ttlSeconds, instance, identity = '' }) => ({
        leaseId,
        ttlSeconds,
        instance: fromJson(InstanceSchema, instance),
        identity,
      }));
      this.#known = true;
      return leases;
    } catch (error) {
      const aside = `${this.#file}.broken`;
      renameSync(this.#file, aside);
      this.#log.warn(
        `${this.#file} is damaged (${(error as Error).message}); it was put aside as ${aside}, and registered instances are gone until they register again`,
      );
      return [];
    }
  }

  /** Writes soon; many changes at once are one write. `leases` is asked when it is time. */
  save(leases: () => readonly StoredLease[]): void {
    if (this.#file === null) return;
    this.#pending = leases;
    this.#cancelWrite ??= this.#after(writeDelayMs, () => this.flush());
  }

  /** Writes now what is pending. */
  flush(): void {
    this.#cancelWrite?.();
    this.#cancelWrite = null;
    const pending = this.#pending;
    if (pending === null || this.#file === null) return;
    this.#pending = null;
    const stored = pending().map(({ leaseId, ttlSeconds, instance, identity }) => ({
      leaseId,
      ttlSeconds,
      instance: toJson(InstanceSchema, instance),
      identity,
    }));
    try {
      writeFileSync(`${this.#file}.new`, JSON.stringify(stored), { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file);
    } catch (error) {
      this.#log.error(
        `cannot write ${this.#file}: ${(error as Error).message}; registered instances will not survive a restart`,
      );
    }
  }
}

export function cloneInstance(instance: Instance): Instance {
  return create(InstanceSchema, { ...instance, labels: { ...instance.labels } });
}
