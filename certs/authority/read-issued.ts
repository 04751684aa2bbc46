/** The issuing log read back at a start: which leaves are out there that have not expired, and whose they are. What it cannot know it says, as a rotation must then wait for the longest. */
import { IdentityFault } from '../identity-fault.ts';
import type { HeldLeaf } from '../rotation/leaf-holders.ts';
import { readOwnerOnly } from '../storage/owner-only.ts';
import { defaultKeptFiles } from './issuing-log.ts';

export interface Issued {
  readonly issued: readonly HeldLeaf[];
  /** False: there may be leaves that are good and not in it. */
  readonly complete: boolean;
}

/** `longestLeafMs`: what was issued longer ago has expired. Files are read from the newest back, and none that holds nothing of use. Throws IdentityFault `unsafe-file`, and the system's errors. */
export function readIssued(
  path: string,
  nowMs: number,
  longestLeafMs: number,
  keptFiles: number = defaultKeptFiles,
): Issued {
  const issued: HeldLeaf[] = [];
  let complete = true;
  for (let index = 0; index <= keptFiles; index++) {
    const text = readFile(index === 0 ? path : `${path}.${index}`);
    // No file at all: somebody has removed it, as each start makes one. No older one: there never was, or it went long ago.
    if (text === null) return { issued, complete: complete && index > 0 };
    if (text === '') complete &&= index === 0;
    let oldestMs = Infinity;
    for (const line of text.split('\n')) {
      const read = readLine(line);
      if (read === null) continue;
      oldestMs = Math.min(oldestMs, read.timeMs);
      if (read.leaf.holder !== '' && read.leaf.notAfterMs > nowMs) issued.push(read.leaf);
    }
    if (oldestMs + longestLeafMs < nowMs) return { issued, complete };
  }
  return { issued, complete: false };
}

/** Null: there is none. One that is too large to be ours says nothing. */
function readFile(path: string): string | null {
  try {
    return readOwnerOnly(path);
  } catch (error) {
    if (error instanceof IdentityFault && error.reason === 'too-large') return '';
    throw error;
  }
}

/** Null: the line is cut off, or no line of ours. */
function readLine(line: string): { readonly timeMs: number; readonly leaf: HeldLeaf } | null {
  if (line === '') return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { time, serial, spiffe_id, not_after, authority, proof, holder } = value as Partial<Record<string, unknown>>;
  const timeMs = Date.parse(String(time));
  const notAfterMs = Date.parse(String(not_after));
  if (typeof serial !== 'string' || typeof spiffe_id !== 'string' || typeof authority !== 'string') return null;
  if (Number.isNaN(timeMs) || Number.isNaN(notAfterMs)) return null;
  // Lines from before holders were written: each leaf is somebody's.
  const known = typeof holder === 'string' ? holder : proof === 'control_plane' ? '' : serial;
  return { timeMs, leaf: { holder: known, identity: spiffe_id, serial, notAfterMs, authorityId: authority } };
}
