/**
 * The last good answers of routes whose fallback they are: bounded in bytes, those that were used last stay. What may be kept is keepable-answer.ts's to say; what is kept here is never given while the service answers.
 *
 * An answer is renewed once in a second at most, collected from one request at a time, and of many requests in a moment only the first are looked at, so that keeping answers costs next to nothing under load.
 */
import { HeaderFields } from '../../codec/header-fields.ts';
import { wellKnown } from '../../codec/header-name.ts';
import type { ResponseHead } from '../../codec/message-head.ts';
import type { StaleAnswerConfig } from '../../config/route-resilience-config.ts';
import { ageMs, usableForMs, varyNames } from './keepable-answer.ts';

const renewAfterMs = 1_000;
/** Requests that are looked at in each while; beyond that, one that is asked for often comes again soon, and others have room when load is less. */
const looksMs = 50;
const mostLooks = 100;
/** What an entry takes beside its texts and body, roughly. */
const entryBytes = 512;
const fieldBytes = 32;
/** All that is being collected may take so much of what may be kept. */
const collectingShare = 4;

export interface StaleAnswer {
  /** Not to be changed: clone it. Without those of one hop, without `age` and `content-length`. */
  readonly fields: HeaderFields;
  readonly body: Buffer;
  readonly ageSeconds: number;
}

interface Entry {
  readonly primary: string;
  readonly fields: HeaderFields;
  readonly body: Buffer;
  readonly keptAtMs: number;
  /** How old it was by then. */
  readonly ageMs: number;
  readonly usableForMs: number;
  readonly bytes: number;
}

/** By which fields the answers to one target differ. */
interface Variants {
  names: readonly string[];
  entries: number;
}

/**
 * Everything but header fields that tells requests apart. `authority` and `path` as they came, before routes changed them; `route`: its memoryKey, as what one route keeps is nothing to another; `peer`: who calls, by its certificate, because an application may
 * look at that; ''.
 */
export function answerKey(route: string, peer: string, scheme: string, authority: string, path: string): string {
  return `${route}\n${peer}\n${scheme}://${authority.toLowerCase()}${path}`;
}

export class StaleAnswers {
  readonly #maxBytes: number;
  /** By target and variant; the one that was used last at the end. */
  readonly #entries = new Map<string, Entry>();
  readonly #variants = new Map<string, Variants>();
  /** Keys that are being collected. */
  readonly #collecting = new Set<string>();
  #collectingBytes = 0;
  #bytes = 0;
  #looks = 0;
  #looksSinceMs = -Infinity;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** `key`: answerKey(). Null: there is none that this request may have. */
  find(key: string, request: HeaderFields, maxAgeMs: number, nowMs: number): StaleAnswer | null {
    const variants = this.#variants.get(key);
    if (variants === undefined) return null;
    const full = variantKey(key, variants.names, request);
    const entry = this.#entries.get(full);
    if (entry === undefined) return null;
    const age = entry.ageMs + nowMs - entry.keptAtMs;
    if (age > maxAgeMs || age > entry.usableForMs) {
      this.#remove(full, entry);
      return null;
    }
    this.#entries.delete(full);
    this.#entries.set(full, entry);
    return { fields: entry.fields, body: entry.body, ageSeconds: Math.floor(age / 1000) };
  }

  /** Whether there is time to look at one more request's answer: at the first {@link mostLooks} of every {@link looksMs}. Takes one of them. */
  mayLook(nowMs: number): boolean {
    if (nowMs - this.#looksSinceMs >= looksMs) {
      this.#looksSinceMs = nowMs;
      this.#looks = 0;
    }
    if (this.#looks === mostLooks) return false;
    this.#looks++;
    return true;
  }

  /** Whether what is kept for such a request is too new to be renewed. */
  isNew(key: string, request: HeaderFields, nowMs: number): boolean {
    const variants = this.#variants.get(key);
    if (variants === undefined) return false;
    const entry = this.#entries.get(variantKey(key, variants.names, request));
    return entry !== undefined && nowMs - entry.keptAtMs < renewAfterMs;
  }

  /** An answer to GET begins. Null: it is not kept. Else it takes the body as it comes. `head` as it came, before anything was changed. */
  collect(
    key: string,
    request: HeaderFields,
    head: ResponseHead,
    { maxAgeMs, maxEntryBytes, varyBy }: StaleAnswerConfig,
    nowMs: number,
  ): AnswerCollector | null {
    const usable = usableForMs(head);
    const age = ageMs(head.fields);
    if (usable === 0 || age >= Math.min(usable, maxAgeMs)) return null;
    const names = varyNames(head.fields, varyBy);
    if (names === null) return null;
    const length = lengthOf(head.fields);
    if (length > maxEntryBytes) return null;
    const full = variantKey(key, names, request);
    const known = this.#entries.get(full);
    if ((known !== undefined && nowMs - known.keptAtMs < renewAfterMs) || this.#collecting.has(full)) return null;
    this.#collecting.add(full);
    const fields = ofMessage(head.fields);
    return new AnswerCollector(this, {
      length,
      maxBytes: maxEntryBytes,
      keep: (body) =>
        this.#keep(full, names, { primary: key, fields, body, keptAtMs: nowMs, ageMs: age, usableForMs: usable }),
      end: (bytes) => {
        this.#collecting.delete(full);
        this.#collectingBytes -= bytes;
      },
    });
  }

  /** @internal */
  tryCollect(bytes: number): boolean {
    if (this.#collectingBytes + bytes > this.#maxBytes / collectingShare) return false;
    this.#collectingBytes += bytes;
    return true;
  }

  #keep(full: string, names: readonly string[], init: Omit<Entry, 'bytes'>): void {
    const known = this.#entries.get(full);
    if (known !== undefined) this.#remove(full, known);
    const entry: Entry = { ...init, bytes: sizeOf(full, init.fields) + init.body.length };
    if (entry.bytes > this.#maxBytes) return;
    this.#entries.set(full, entry);
    this.#bytes += entry.bytes;
    const variants = this.#variants.get(entry.primary);
    if (variants === undefined) this.#variants.set(entry.primary, { names, entries: 1 });
    else {
      variants.names = names;
      variants.entries++;
    }
    for (const [key, oldest] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(key, oldest);
    }
  }

  #remove(full: string, entry: Entry): void {
    this.#entries.delete(full);
    this.#bytes -= entry.bytes;
    const variants = this.#variants.get(entry.primary)!;
    if (--variants.entries === 0) this.#variants.delete(entry.primary);
  }
}

interface CollectorInit {
  /** -1: not known. */
  readonly length: number;
  readonly maxBytes: number;
  readonly keep: (body: Buffer) => void;
  /** `bytes`: that were taken with tryCollect(). */
  readonly end: (bytes: number) => void;
}

/** One answer on its way to the caller, copied. To be ended or abandoned, once. */
export class AnswerCollector {
  readonly #answers: StaleAnswers;
  readonly #init: CollectorInit;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;

  constructor(answers: StaleAnswers, init: CollectorInit) {
    this.#answers = answers;
    this.#init = init;
  }

  add(chunk: Buffer, endStream: boolean): void {
    if (this.#over) return;
    if (chunk.length > 0) {
      if (this.#bytes + chunk.length > this.#init.maxBytes || !this.#answers.tryCollect(chunk.length)) {
        this.abandon();
        return;
      }
      this.#bytes += chunk.length;
      // The read buffer is used again.
      this.#chunks.push(copyOf(chunk));
    }
    if (endStream) this.#end();
  }

  /** It is not kept. */
  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    this.#chunks = [];
    this.#init.end(this.#bytes);
  }

  #end(): void {
    const { length, keep } = this.#init;
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : joined(this.#chunks, this.#bytes);
    const whole = length < 0 || length === this.#bytes;
    this.abandon();
    if (whole) keep(body);
  }
}

/** Memory of its own: a piece of Node's pool would hold all of that. */
function copyOf(chunk: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(chunk.length);
  chunk.copy(copy);
  return copy;
}

function joined(chunks: readonly Buffer[], bytes: number): Buffer {
  const body = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const chunk of chunks) at += chunk.copy(body, at);
  return body;
}

function variantKey(primary: string, names: readonly string[], request: HeaderFields): string {
  let key = primary;
  for (const name of names) key += `\n${name}: ${request.getAll(name).join(', ')}`;
  return key;
}

function lengthOf(fields: HeaderFields): number {
  const length = fields.get('content-length');
  return length === undefined ? -1 : Number(length);
}

/** Without what is of one hop, and what is told anew. */
function ofMessage(fields: HeaderFields): HeaderFields {
  const kept = new HeaderFields();
  const listed = fields
    .getAll('connection')
    .join(',')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  for (const [i, name] of fields.names.entries()) {
    if (name.known !== wellKnown.other || name.lower === 'age' || listed.includes(name.lower)) continue;
    kept.append(name, fields.values[i]!);
  }
  return kept;
}

function sizeOf(key: string, fields: HeaderFields): number {
  let bytes = entryBytes + 2 * key.length;
  for (const [i, name] of fields.names.entries()) bytes += name.raw.length + fields.values[i]!.length + fieldBytes;
  return bytes;
}
