/**
 * What proves who a sidecar is, for a sidecar with a user of its own: copies of files that only root or the caller may read, for this sidecar's user alone. Made again when the originals change: the control plane of this machine writes
 * another local token at each start, and tokens are renewed. The local token itself, which is every identity, stays with root: the sidecar gets one that is narrowed to its own and ends soon, and another before that.
 */
import {
  chownSync,
  closeSync,
  existsSync,
  fchownSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { narrowToken } from '../../certs/join-token/narrowed-token.ts';
import type { RunSlot } from './run-slots.ts';

const everyMs = 500;
const narrowedForMs = 5 * 60_000;
/** As long as this it is good for at least, when it is read. */
const narrowedLeftMs = 2 * 60_000;

interface Copy {
  readonly to: string;
  /** What the sidecar is to have of it; it may throw. Null: all of it. */
  readonly change: ((text: string) => string) | null;
  seen: string;
  /** Wall clock: made again then, changed or not. */
  untilMs: number;
}

export class PrivateFiles {
  readonly #folder: string;
  readonly #owner: number;
  readonly #copies = new Map<string, Copy>();
  readonly #folders = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;

  constructor({ folder, sidecarId }: Pick<RunSlot, 'folder' | 'sidecarId'>) {
    this.#folder = join(folder, 'identity');
    this.#owner = sidecarId;
    makeFolder(this.#folder, sidecarId);
    this.#timer = setInterval(() => this.#refresh(), everyMs);
    this.#timer.unref();
  }

  /** The path of the copy, which is there when the original is. */
  file(original: string): string {
    const to = join(this.#folder, String(this.#copies.size));
    this.#add(original, to);
    return to;
  }

  /** A control plane's data folder, with what the sidecar of `identity` needs of it; made when the original is there. */
  dataFolder(original: string, identity: string): string {
    const to = join(this.#folder, 'data');
    this.#folders.set(original, to);
    this.#add(join(original, 'trust-bundle.pem'), join(to, 'trust-bundle.pem'));
    this.#add(join(original, 'local-token'), join(to, 'local-token'), (text) =>
      narrowToken(text.trim(), { identity, expiresAtMs: Date.now() + narrowedForMs }),
    );
    return to;
  }

  #add(original: string, to: string, change: Copy['change'] = null): void {
    this.#copies.set(original, { to, change, seen: '', untilMs: 0 });
    this.#refresh();
  }

  #refresh(): void {
    for (const [original, to] of this.#folders)
      if (existsSync(original) && !existsSync(to)) makeFolder(to, this.#owner);
    for (const [original, copy] of this.#copies) {
      try {
        const { mtimeMs, size, ino } = statSync(original);
        const seen = `${mtimeMs} ${size} ${ino}`;
        if (seen === copy.seen && Date.now() < copy.untilMs) continue;
        const bytes = readFileSync(original);
        const text = copy.change === null ? bytes : copy.change(bytes.toString());
        const file = openSync(`${copy.to}.new`, 'w', 0o400);
        fchownSync(file, this.#owner, this.#owner);
        writeFileSync(file, text);
        closeSync(file);
        renameSync(`${copy.to}.new`, copy.to);
        copy.seen = seen;
        copy.untilMs = copy.change === null ? Number.POSITIVE_INFINITY : Date.now() + narrowedForMs - narrowedLeftMs;
      } catch {
        // It is not there (yet), or is being written: the sidecar says what it misses. A copy that is there goes on.
      }
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function makeFolder(path: string, owner: number): void {
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, owner, owner);
}
