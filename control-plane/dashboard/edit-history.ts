/** What files said before they were changed from the dashboard, to take a change back: in one file of the data directory, so that a restart forgets nothing. Bounded: the oldest goes first. */
import { readOwnerOnly, writeOwnerOnly } from '../../certs/storage/owner-only.ts';

/** One change, newest last. */
export interface PastEdit {
  readonly file: string;
  /** What stood there, and is written back by a revert. */
  readonly textBefore: string;
  /** SHA-256 of what was written: another one means that somebody has changed the file since. */
  readonly digestAfter: string;
  /** ms since 1970. */
  readonly wallMs: number;
}

/** Changes that are kept, and how much text in all. */
const maxEdits = 50;
const maxChars = 4 * 1024 * 1024;

export class EditHistory {
  readonly #path: string | null;
  #edits: readonly PastEdit[];

  /** `path` null: kept in memory only. What cannot be read counts for nothing: it is of no worth beside the files themselves. */
  constructor(path: string | null) {
    this.#path = path;
    this.#edits = path === null ? [] : load(path);
  }

  /** The change that stands in the file now; null: none that is known. */
  last(file: string): PastEdit | null {
    return this.#edits.findLast((edit) => edit.file === file) ?? null;
  }

  /** Throws the system's error when it cannot be kept: then nothing should be changed either. */
  add(edit: PastEdit): void {
    const edits = [...this.#edits, edit].slice(-maxEdits);
    const chars = (): number => edits.reduce((sum, { textBefore }) => sum + textBefore.length, 0);
    while (edits.length > 1 && chars() > maxChars) edits.shift();
    this.#save(edits);
  }

  remove(edit: PastEdit): void {
    this.#save(this.#edits.filter((each) => each !== edit));
  }

  #save(edits: readonly PastEdit[]): void {
    if (this.#path !== null) writeOwnerOnly(this.#path, JSON.stringify({ format: 1, edits }));
    this.#edits = edits;
  }
}

function load(path: string): readonly PastEdit[] {
  try {
    const { format, edits } = JSON.parse(readOwnerOnly(path) ?? '{}') as {
      readonly format?: number;
      readonly edits?: readonly PastEdit[];
    };
    return format === 1 && Array.isArray(edits) ? edits : [];
  } catch {
    return [];
  }
}
