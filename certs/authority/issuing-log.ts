/**
 * What was issued, to whom, on what proof: a JSON line for each certificate, in an owner-only file that is only ever appended to. When it is full it becomes `….1`, that one `….2` and so on; the oldest
 * goes. A line is with the operating system before the certificate leaves, and on the disk soon after.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { IdentityFault } from '../identity-fault.ts';
import { checkOwner } from '../storage/owner-only.ts';

export interface IssuingRecord {
  readonly timeMs: number;
  readonly serial: string;
  readonly spiffeId: string;
  readonly notAfterMs: number;
  readonly authorityId: string;
  readonly proof: string;
  /** Whose request it was, as an address. */
  readonly peer: string;
  /** Which of the proxies of this identity has it (rotation/leaf-holders.ts). Empty: the control plane itself. */
  readonly holder: string;
}

export interface IssuingLogOptions {
  /** Of one file. Default 16 MiB: some 60,000 certificates. */
  readonly maxBytes?: number;
  /** Full ones that are kept. Default 8. */
  readonly keptFiles?: number;
  /** Default: the system's. */
  readonly sync?: (descriptor: number, done: () => void) => void;
}

export const defaultKeptFiles = 8;

export class IssuingLog {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #keptFiles: number;
  #descriptor: number;
  #bytes: number;
  readonly #sync: (descriptor: number, done: () => void) => void;
  /** Which file a sync is under way of; -1: none is. */
  #syncing = -1;
  /** Lines were written that no sync has begun for. */
  #dirty = false;
  /** A line could not be written to its end. */
  #torn = false;

  /** Throws IdentityFault `unsafe-file` when the file is open to others or not ours, and the system's errors. */
  constructor(path: string, options: IssuingLogOptions = {}) {
    this.#path = path;
    this.#maxBytes = options.maxBytes ?? 16 * 1024 * 1024;
    this.#keptFiles = options.keptFiles ?? defaultKeptFiles;
    this.#sync = options.sync ?? fdatasync;
    [this.#descriptor, this.#bytes] = openLog(path);
  }

  /** Throws IdentityFault `log-failed`: what can't be logged must not be issued. */
  append(record: IssuingRecord): void {
    const line = Buffer.from(
      `${this.#torn ? '\n' : ''}${escapeControls(
        JSON.stringify({
          time: new Date(record.timeMs).toISOString(),
          serial: record.serial,
          spiffe_id: record.spiffeId,
          not_after: new Date(record.notAfterMs).toISOString(),
          authority: record.authorityId,
          proof: record.proof,
          peer: record.peer,
          holder: record.holder,
        }),
      )}\n`,
    );
    try {
      if (this.#bytes > 0 && this.#bytes + line.length > this.#maxBytes) this.#startNewFile();
      for (let written = 0; written < line.length; ) {
        written += writeSync(this.#descriptor, line, written);
        // Until it is whole: what comes next must not go on in this line.
        this.#torn = written < line.length;
      }
      this.#bytes += line.length;
    } catch (error) {
      throw new IdentityFault(
        'log-failed',
        `cannot write ${this.#path}: ${(error as Error).message}; nothing is issued that is not logged`,
      );
    }
    this.#syncSoon();
  }

  close(): void {
    if (this.#descriptor === -1) return;
    this.#closeFile(this.#descriptor);
    this.#descriptor = -1;
  }

  #startNewFile(): void {
    for (let index = this.#keptFiles; index > 0; index--) {
      try {
        renameSync(index === 1 ? this.#path : `${this.#path}.${index - 1}`, `${this.#path}.${index}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    const full = this.#descriptor;
    [this.#descriptor, this.#bytes] = openLog(this.#path);
    this.#closeFile(full);
    this.#torn = false;
  }

  /** Its lines are on the disk after this. */
  #closeFile(descriptor: number): void {
    fdatasyncSync(descriptor);
    // One that a sync is under way of is closed behind it: its number could be another file's by then.
    if (this.#syncing !== descriptor) closeSync(descriptor);
  }

  /** One sync at a time, and another behind it for the lines that came meanwhile: signing does not wait for the disk. */
  #syncSoon(): void {
    this.#dirty = true;
    if (this.#syncing !== -1) return;
    const descriptor = this.#descriptor;
    this.#syncing = descriptor;
    this.#dirty = false;
    this.#sync(descriptor, () => {
      this.#syncing = -1;
      if (descriptor !== this.#descriptor) closeSync(descriptor);
      if (this.#dirty && this.#descriptor !== -1) this.#syncSoon();
    });
  }
}

function openLog(path: string): [descriptor: number, bytes: number] {
  const descriptor = openSync(
    path,
    constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new IdentityFault('unsafe-file', `${path} is not a plain file`);
    checkOwner(path, stats, '600');
    const last = Buffer.alloc(1);
    // A crash in the middle of a line must not spoil the next.
    if (stats.size > 0 && readSync(descriptor, last, 0, 1, stats.size - 1) === 1 && last[0] !== 0x0a)
      writeSync(descriptor, '\n');
    return [descriptor, fstatSync(descriptor).size];
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** JSON leaves these as they are; terminals obey some of them. */
function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
