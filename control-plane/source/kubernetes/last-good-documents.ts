/**
 * The routes and policies that were in force, as they were written, in one file of the data directory: what a control plane goes on with when it starts beside one that is faulty by then. Texts, not resources, so that another
 * version reads them by its own rules. Written whole and renamed into place, a moment after something has changed.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { parseDocument } from '../../config-kind/kind.ts';
import type { Resource } from '../../config-kind/resource.ts';
import { kubernetesPlace } from './kubernetes-place.ts';

export interface GoodDocument {
  /** Of the object: one of the same name that was made anew is another one, as is one of another cluster. */
  readonly uid: string;
  readonly generation: number;
  /** JSON. */
  readonly text: string;
}

export interface LastGoodDocumentsOptions {
  /** Null: nothing is kept. It is there already. */
  readonly dataDir: string | null;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  readonly log: Logger;
}

interface Stored {
  readonly format: number;
  readonly documents: ReadonlyArray<readonly [name: string, uid: string, generation: number, text: string]>;
}

const format = 1;
/** Rollouts change again. */
const settleMs = 1_000;

export class LastGoodDocuments {
  readonly #options: LastGoodDocumentsOptions;
  readonly #file: string | null;
  #cancel: (() => void) | null = null;
  #pending: (() => ReadonlyMap<string, GoodDocument>) | null = null;

  constructor(options: LastGoodDocumentsOptions) {
    this.#options = options;
    this.#file = options.dataDir === null ? null : join(options.dataDir, 'last-good-kubernetes.json');
  }

  /** By `Kind namespace/name`. */
  load(): ReadonlyMap<string, GoodDocument> {
    if (this.#file === null) return new Map();
    try {
      const stored = JSON.parse(readFileSync(this.#file, 'utf8')) as Stored;
      if (stored.format !== format) throw new Error(`its format is ${JSON.stringify(stored.format)}, not ${format}`);
      return new Map(stored.documents.map(([name, uid, generation, text]) => [name, { uid, generation, text }]));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#options.log.warn(
          `cannot use ${this.#file}: ${(error as Error).message}; a route or policy that is faulty now has no last good state to go on with`,
        );
      return new Map();
    }
  }

  /** Asks `documents` and writes them, soon. */
  saveSoon(documents: () => ReadonlyMap<string, GoodDocument>): void {
    this.#pending = documents;
    this.#cancel ??= this.#options.after(settleMs, () => this.#save());
  }

  /** What waits is written now. */
  close(): void {
    this.#cancel?.();
    this.#save();
  }

  #save(): void {
    const documents = this.#pending;
    this.#cancel = null;
    this.#pending = null;
    if (this.#file === null || documents === null) return;
    const stored: Stored = {
      format,
      documents: [...documents()].map(([name, { uid, generation, text }]) => [name, uid, generation, text]),
    };
    try {
      writeFileSync(`${this.#file}.new`, JSON.stringify(stored), { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file);
    } catch (error) {
      this.#options.log.error(
        `cannot write ${this.#file}: ${(error as Error).message}; after a restart, a route or policy that is faulty by then has no last good state to go on with`,
      );
    }
  }
}

/** Null: this version does not take it. */
export function resourceOf({ text }: GoodDocument): Resource | null {
  try {
    const result = parseDocument(JSON.parse(text), kubernetesPlace);
    return 'resource' in result ? result.resource : null;
  } catch {
    return null;
  }
}
