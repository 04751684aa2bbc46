/**
 * One configuration file as it was last read: what of it is in force, and what is wrong. A file in the midst of being written is not believed: what lost something is taken only when it is the same
 * at a second look.
 *
 *   in force ──quiet change──▶ in force
 *       └──shorter, poorer, or not at rest──▶ doubted ──the same for settleMs──▶ in force
 *                                                └──as it was before──▶ in force
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { type Resource, resourceName } from '../config-kind/resource.ts';
import type { Fault } from './fault.ts';
import type { GoodFile } from './last-good-files.ts';
import { reasonOf } from './list-files.ts';
import { maxFileBytes, type ParsedFile, parseFile } from './parse-file.ts';

/** Between two looks at a file that lost something. */
export const settleMs = 500;

export interface FileEntry {
  /** Of the last reading that was taken in: modification time, size, inode. */
  readonly signature: string;
  readonly digest: string;
  /** Last good content; null: there is none. */
  readonly good: (GoodFile & { readonly resources: readonly Resource[] }) | null;
  /** What of it could be read when it was last read, also beside faults: to check everything at once. */
  readonly readable: readonly Resource[];
  /** Documents with faults, as parse-file.ts names them. */
  readonly broken: readonly string[];
  readonly faults: readonly Fault[];
  /** What stands there and is not believed yet: since when it is as it is. */
  readonly doubt: { readonly signature: string; readonly sinceMs: number } | null;
}

/** How a file is looked at. */
export interface Look {
  /** Also when its time and size are as before. */
  readonly everything: boolean;
  /** `start`: there is nothing to lose yet. `quiet`: nobody has written for a moment. `any`: nothing is known. */
  readonly when: 'start' | 'quiet' | 'any';
  readonly nowMs: number;
  readonly wallMs: number;
}

export function readEntry(file: string, before: FileEntry | undefined, look: Look): FileEntry {
  const good = before?.good ?? null;
  const failed = (message: string): FileEntry => ({
    signature: '',
    digest: '',
    good,
    readable: good?.resources ?? [],
    broken: [''],
    faults: [{ file, line: 0, column: 0, path: '', message }],
    doubt: null,
  });
  try {
    const stat = statSync(file, { bigint: true });
    // A pipe would be waited for without end.
    if (!stat.isFile()) return failed('is not a regular file; a file is expected');
    const signature = `${stat.mtimeNs}:${stat.size}:${stat.ino}`;
    const same = before !== undefined && before.signature === signature && before.doubt === null;
    if (same && !look.everything) return before;
    if (stat.size > maxFileBytes) return failed(`has ${stat.size} bytes; at most ${maxFileBytes} are read`);
    const text = readFileSync(file, 'utf8');
    const digest = createHash('sha256').update(text).digest('base64');
    if (before !== undefined && before.digest === digest) return { ...before, signature, doubt: null };
    // As it was before a restart or a break: not new.
    if (good?.text === text)
      return { signature, digest, good, readable: good.resources, broken: [], faults: [], doubt: null };
    const parsed = parseFile(file, text);
    if (look.when !== 'start' && (before?.doubt || look.when === 'any' || losesSomething(good, text, parsed))) {
      const sinceMs = before?.doubt?.signature === signature ? before.doubt.sinceMs : look.nowMs;
      if (look.nowMs - sinceMs < settleMs) return doubted(before, { signature, sinceMs });
    }
    const { resources, faults, broken } = parsed;
    const taken = { signature, digest, readable: resources, broken, faults, doubt: null };
    return { ...taken, good: faults.length > 0 ? good : { text, readWallMs: look.wallMs, resources } };
  } catch (error) {
    return failed(reasonOf(error));
  }
}

function doubted(before: FileEntry | undefined, doubt: FileEntry['doubt']): FileEntry {
  return before === undefined
    ? { signature: '', digest: '', good: null, readable: [], broken: [], faults: [], doubt }
    : { ...before, doubt };
}

function losesSomething(good: FileEntry['good'], text: string, { resources }: ParsedFile): boolean {
  if (good === null || good.resources.length === 0) return false;
  if (text.length < good.text.length) return true;
  const names = new Set(resources.map(resourceName));
  return good.resources.some((resource) => !names.has(resourceName(resource)));
}
