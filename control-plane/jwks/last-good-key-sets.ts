/**
 * The last good key sets, in one file of the data directory: what a control plane verifies tokens with when it starts while the issuer cannot be reached. Public keys only, but whoever could change
 * them could sign tokens, so nobody else may write there. Written whole and renamed into place.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { keySetFault } from '../config-kind/key-set-text.ts';

const format = 1;

interface Stored {
  readonly format: number;
  readonly keySets: ReadonlyArray<readonly [source: string, text: string]>;
}

export class LastGoodKeySets {
  readonly #file: string | null;
  readonly #log: Logger;

  /** `dataDir` null: nothing is kept. Throws when the directory cannot be made. */
  constructor(dataDir: string | null, log: Logger) {
    this.#log = log;
    this.#file = dataDir === null ? null : join(dataDir, 'last-good-key-sets.json');
    if (dataDir !== null) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  }

  /** By file or URI; sets that are not good by now are left out. */
  load(): ReadonlyMap<string, string> {
    if (this.#file === null) return new Map();
    try {
      const stored = JSON.parse(readFileSync(this.#file, 'utf8')) as Stored;
      if (stored.format !== format) throw new Error(`its format is ${JSON.stringify(stored.format)}, not ${format}`);
      return new Map(stored.keySets.filter(([, text]) => keySetFault(text) === null));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn(
          `cannot use ${this.#file}: ${(error as Error).message}; until keys are fetched, tokens of their issuers are refused`,
        );
      return new Map();
    }
  }

  save(keySets: ReadonlyMap<string, string>): void {
    if (this.#file === null) return;
    const stored: Stored = { format, keySets: [...keySets] };
    try {
      writeFileSync(`${this.#file}.new`, JSON.stringify(stored), { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file);
    } catch (error) {
      this.#log.error(
        `cannot write ${this.#file}: ${(error as Error).message}; after a restart, tokens are refused until the keys of their issuers are fetched`,
      );
    }
  }
}
