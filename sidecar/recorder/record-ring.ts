/** Records of one kind, the oldest of which go when there are too many, or when they take too much. */
import type { RequestRecord } from './request-record.ts';

/** What a record takes beside its text: objects, numbers, and its places in the ring and the index. Measured (V8 of Node 26), and rounded up. */
const recordBytes = 1_100;
const attemptBytes = 320;
const pairBytes = 96;
const textBytes = 16;

/** An estimate, in bytes. Text that belongs to the configuration is counted as if it were the record's own. */
export function sizeOf(record: RequestRecord): number {
  let size =
    recordBytes +
    record.requestId.length * 2 +
    record.traceId.length * 2 +
    record.spanId.length +
    record.parentSpanId.length +
    record.method.length +
    record.authority.length +
    record.path.length +
    record.peerIdentity.length +
    record.remoteAddress.length +
    record.details.length +
    record.flags.length +
    record.rule.length;
  for (const attempt of record.attempts)
    size += attemptBytes + attempt.host.length + attempt.details.length + attempt.spanId.length;
  for (const { host, why } of record.passedOver) size += pairBytes + host.length + why.length;
  for (const text of record.circumstances) size += textBytes + text.length * 2;
  return size;
}

export class RecordRing {
  readonly #mostRecords: number;
  readonly #mostBytes: number;
  readonly #onGone: (record: RequestRecord) => void;
  /** Oldest first, from `#first` on. */
  #records: RequestRecord[] = [];
  #sizes: number[] = [];
  #first = 0;
  #bytes = 0;

  /** `onGone`: it is not in the ring any more. */
  constructor(mostRecords: number, mostBytes: number, onGone: (record: RequestRecord) => void) {
    this.#mostRecords = mostRecords;
    this.#mostBytes = mostBytes;
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#records.length - this.#first;
  }

  /** By the estimate of {@link sizeOf}. */
  get bytes(): number {
    return this.#bytes;
  }

  /** False: it alone is more than there may be. */
  add(record: RequestRecord): boolean {
    const size = sizeOf(record);
    if (size > this.#mostBytes || this.#mostRecords === 0) return false;
    while (this.size >= this.#mostRecords || this.#bytes + size > this.#mostBytes) this.#dropOldest();
    this.#records.push(record);
    this.#sizes.push(size);
    this.#bytes += size;
    return true;
  }

  #dropOldest(): void {
    const at = this.#first++;
    const gone = this.#records[at]!;
    this.#bytes -= this.#sizes[at]!;
    // Half of it is behind us: what is gone must not be held.
    if (this.#first * 2 >= this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#sizes = this.#sizes.slice(this.#first);
      this.#first = 0;
    } else this.#records[at] = none;
    this.#onGone(gone);
  }

  /** The newest first. */
  *newestFirst(): Generator<RequestRecord> {
    for (let at = this.#records.length - 1; at >= this.#first; at--) yield this.#records[at]!;
  }
}

const none = null as unknown as RequestRecord;
