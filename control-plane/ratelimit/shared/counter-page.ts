/**
 * How counters stand in the store: each control plane writes pages of its own, under `<prefix>ratelimit/v1/<control plane>/<window length>/<page>`, and a sign of life under `…/<control plane>/alive`. Which page a counter is on follows
 * from its key, so that a batch of changes writes few keys, and none ever has to be removed one by one.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type CounterPage,
  CounterPageSchema,
} from '../../../proto/generated/outrigger/ratelimit/v1/counter_page_pb.js';
import type { Count } from '../count-table.ts';

/** Of one control plane and one length of window. */
const pagesPerWindow = 1_024;

/** `<window length>/<page>` */
export function pageOf(key: string, windowMs: number): string {
  // FNV-1a: spread evenly, cheap, and the same everywhere.
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return `${windowMs}/${(hash >>> 0) % pagesPerWindow}`;
}

export function countersFolder(prefix: string): string {
  return `${prefix}ratelimit/v1/`;
}

/** What a key under the folder stands for; null: for nothing of ours. */
export function readKey(key: string, folder: string): { readonly writer: string; readonly page: string | null } | null {
  const parts = /^([A-Za-z0-9-]{1,64})\/(?:alive|([1-9]\d{0,8}\/\d{1,4}))$/.exec(key.slice(folder.length));
  return !key.startsWith(folder) || parts === null ? null : { writer: parts[1]!, page: parts[2] ?? null };
}

export function encodePage(wallMs: number, counts: Iterable<Count>): Buffer {
  const counters = Array.from(counts, ({ key, windowEndMs, count }) => ({
    key,
    windowEndMs: BigInt(windowEndMs),
    count: BigInt(count),
  }));
  return Buffer.from(
    toBinary(CounterPageSchema, create(CounterPageSchema, { wallMs: BigInt(Math.round(wallMs)), counters })),
  );
}

/** Null: nothing that can be read. */
export function decodePage(value: Uint8Array): CounterPage | null {
  try {
    return fromBinary(CounterPageSchema, value);
  } catch {
    return null;
  }
}
