/**
 * The last good text of every configuration file, in one file of the data directory: what a control plane goes on with when it starts beside a file that was broken meanwhile. Texts, not resources, so
 * that another version reads them by its own rules. Written whole and renamed into place. What a text says is not known here.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';

export interface GoodFile {
  readonly text: string;
  /** When this text was first read, in ms since 1970. */
  readonly readWallMs: number;
}

export interface LastGood {
  /** By absolute path. */
  readonly files: ReadonlyMap<string, GoodFile>;
  /** Of resources that stand in several files, by name: the absolute path of the file whose resource is in force. */
  readonly winners: ReadonlyMap<string, string>;
}

const nothing: LastGood = { files: new Map(), winners: new Map() };
const format = 1;

interface Stored {
  readonly format: number;
  readonly files: ReadonlyArray<readonly [path: string, text: string, readWallMs: number]>;
  readonly winners: ReadonlyArray<readonly [name: string, path: string]>;
}

export class LastGoodFiles {
  readonly #file: string | null;
  readonly #log: Logger;

  /** `dataDir` null: nothing is kept. Throws when the directory cannot be made. */
  constructor(dataDir: string | null, log: Logger) {
    this.#log = log;
    this.#file = dataDir === null ? null : join(dataDir, 'last-good-configuration.json');
    if (dataDir !== null) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  }

  load(): LastGood {
    if (this.#file === null) return nothing;
    try {
      const stored = JSON.parse(readFileSync(this.#file, 'utf8')) as Stored;
      if (stored.format !== format) throw new Error(`its format is ${JSON.stringify(stored.format)}, not ${format}`);
      return {
        files: new Map(stored.files.map(([path, text, readWallMs]) => [path, { text, readWallMs }])),
        winners: new Map(stored.winners),
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn(
          `cannot use ${this.#file}: ${(error as Error).message}; a configuration file that is broken now has no last good content to go on with`,
        );
      return nothing;
    }
  }

  save({ files, winners }: LastGood): void {
    if (this.#file === null) return;
    const stored: Stored = {
      format,
      files: [...files].map(([path, { text, readWallMs }]) => [path, text, readWallMs]),
      winners: [...winners],
    };
    try {
      writeFileSync(`${this.#file}.new`, JSON.stringify(stored), { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file);
    } catch (error) {
      this.#log.error(
        `cannot write ${this.#file}: ${(error as Error).message}; after a restart, a configuration file that is broken by then has no last good content to go on with`,
      );
    }
  }
}
