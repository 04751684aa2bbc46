/**
 * One connection to the store, from the first call to the first failure: it reads what others have counted and follows it, and writes our own counts in batches. It decides nothing about what comes after: EtcdCounters begins another.
 */
import {
  type EtcdConnection,
  EtcdFault,
  type EtcdFence,
  type EtcdWrite,
  maxWriteBytes,
  maxWrites,
} from '../../etcd/etcd-store.ts';
import type { SourceClock } from '../../source/source-clock.ts';
import { countersFolder, decodePage, encodePage, readKey } from './counter-page.ts';
import type { LeadingClock } from './leading-clock.ts';
import { type LeftOut, OtherCounts } from './other-counts.ts';
import type { OwnPages } from './own-pages.ts';

/** From the end of one batch to the next: how long a change may stay here, beside the time that the store takes. */
const batchMs = 100;
/** etcd keeps each write until it is compacted. What is more than that comes later: batches get rarer, and each page is written once for all that happened to it. */
const bytesPerSecond = 1024 * 1024;
const heartbeatMs = 10_000;
/** Of the sign of life: a few heartbeats. */
const aliveSeconds = 30;
/** A count stays for as long as its window may last, also when we are gone, and a little longer. */
const leaseSeconds = (windowMs: number): number => Math.ceil(windowMs / 1_000) + 60;

export interface CounterSessionOptions {
  readonly connection: EtcdConnection;
  readonly clock: SourceClock;
  readonly prefix: string;
  /** Who writes: one control plane, from its start to its end. */
  readonly writer: string;
  readonly own: OwnPages;
  readonly leading: LeadingClock;
  readonly maxOtherCounts: number;
  /** A page of another was not kept, or not as a whole. */
  readonly onLeftOut: (reason: LeftOut) => void;
  /** Something about the clocks of others may have changed. */
  readonly onClocks: () => void;
  /** Once; not after `close`. */
  readonly onEnd: (fault: EtcdFault) => void;
}

export class CounterSession {
  readonly #options: CounterSessionOptions;
  readonly #folder: string;
  readonly #aliveKey: string;
  readonly #leases = new Map<number, bigint>();
  readonly others: OtherCounts;
  #fence: EtcdFence | null = null;
  #stopBatch: (() => void) | null = null;
  #stopHeartbeat: () => void = () => {};
  /** All batches, one after the other: of two versions of a page under way at once, the older one could stand in the end. Once one has failed, none comes after it. */
  #written: Promise<void> = Promise.resolve();
  #writing = false;
  #nextBatchMs = Number.NEGATIVE_INFINITY;
  #opened = false;
  #closing = false;
  #ended = false;
  /** Written. */
  batches = 0;

  constructor(options: CounterSessionOptions) {
    this.#options = options;
    this.#folder = countersFolder(options.prefix);
    this.#aliveKey = `${this.#folder}${options.writer}/alive`;
    this.others = new OtherCounts(options.maxOtherCounts, options.onLeftOut);
  }

  /** Other control planes that are there. */
  get peers(): number {
    return this.others.alive;
  }

  /** Resolves when `others` says what the store had, everything of ours is in it, and both go on; false: it ended before. */
  async open(): Promise<boolean> {
    const { connection, clock, own } = this.#options;
    try {
      const lease = await connection.grantLease(aliveSeconds);
      // What a session before this one has under way is of no effect from here on: it holds another lease.
      await connection.write([this.#signOfLife(lease)], null);
      if (this.#ended) return false;
      this.#fence = { key: this.#aliveKey, lease };
      own.markAll();
      // From here on, as what follows may take longer than the lease.
      if (!this.#closing) this.#stopHeartbeat = clock.after(heartbeatMs, () => void this.#heartbeat());
      const revision = await connection.readAll(this.#folder, ({ key, value }) => this.#take(key, value, false));
      if (this.#ended || this.#closing) return false;
      connection.watch(
        this.#folder,
        revision,
        ({ key, value }) => this.#take(key, value, true),
        (fault) => this.#end(fault),
      );
      await this.#write();
    } catch (error) {
      this.#end(asFault(error));
    }
    if (this.#ended || this.#closing) return false;
    this.#opened = true;
    this.changed();
    return true;
  }

  /** There is something to write: at once, unless there just was a batch. While it opens, what changes waits for the batch after the first. */
  changed(): void {
    if (!this.#opened || this.#closing || this.#ended || this.#stopBatch !== null || this.#writing) return;
    const { clock, own } = this.#options;
    if (own.changes === 0) return;
    const waitMs = Math.max(0, this.#nextBatchMs - clock.nowMs());
    this.#stopBatch = clock.after(waitMs, () => {
      this.#stopBatch = null;
      this.#write().then(
        () => this.changed(),
        (error: unknown) => this.#end(asFault(error)),
      );
    });
  }

  /** Writes what is left, and takes the sign of life away; the counts stay for others. Then it is closed. Fails never. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#stopBatch?.();
    this.#stopBatch = null;
    this.#stopHeartbeat();
    if (!this.#ended && this.#fence !== null)
      try {
        await this.#write();
        await this.#options.connection.write([{ key: this.#aliveKey, value: null, lease: 0n }], this.#fence);
      } catch {
        // Their leases end.
      }
    this.#stop();
  }

  /** A batch, when those before it are through. */
  #write(): Promise<void> {
    this.#writing = true;
    const batch = this.#written.then(() => this.#writeChanges());
    this.#written = batch;
    return batch;
  }

  /** Pages that have changed by now, once each: those that change meanwhile are for the next batch. What fails ends the session, and the next one writes everything. */
  async #writeChanges(): Promise<void> {
    const { own } = this.#options;
    let bytes = 0;
    for (let left = own.changes; left > 0 && !this.#ended; ) {
      const pages = own.take(Math.min(left, maxWrites), maxWriteBytes, this.#leadingMs());
      if (pages.length === 0) break;
      left -= pages.length;
      for (const { value } of pages) bytes += value?.length ?? 0;
      const writes: EtcdWrite[] = [];
      for (const { page, windowMs, value } of pages)
        writes.push({
          key: `${this.#folder}${this.#options.writer}/${page}`,
          value,
          lease: value === null ? 0n : await this.#leaseFor(windowMs),
        });
      await this.#writeFenced(writes);
    }
    this.batches++;
    this.#nextBatchMs = this.#options.clock.nowMs() + Math.max(batchMs, (bytes / bytesPerSecond) * 1_000);
    this.#writing = false;
  }

  async #writeFenced(writes: readonly EtcdWrite[]): Promise<void> {
    if (!(await this.#options.connection.write(writes, this.#fence))) throw new EtcdFault('our lease was over');
  }

  async #leaseFor(windowMs: number): Promise<bigint> {
    let lease = this.#leases.get(windowMs);
    if (lease === undefined) {
      lease = await this.#options.connection.grantLease(leaseSeconds(windowMs));
      this.#leases.set(windowMs, lease);
    }
    return lease;
  }

  /** Beside the batches, which may take longer than a lease: it writes no page. */
  async #heartbeat(): Promise<void> {
    const { connection, clock, own } = this.#options;
    const { lease } = this.#fence!;
    try {
      const kept = await Promise.all([lease, ...this.#leases.values()].map((each) => connection.keepLease(each)));
      if (kept.includes(false)) throw new EtcdFault('our lease was over');
      await this.#writeFenced([this.#signOfLife(lease)]);
    } catch (error) {
      this.#end(asFault(error));
      return;
    }
    if (this.#ended || this.#closing) return;
    own.sweep(this.#leadingMs());
    this.changed();
    this.#stopHeartbeat = clock.after(heartbeatMs, () => void this.#heartbeat());
  }

  /** `fresh`: it was written just now. */
  #take(key: string, value: Uint8Array | null, fresh: boolean): void {
    const { writer: self, leading, clock, onClocks } = this.#options;
    const read = readKey(key, this.#folder);
    if (read === null || read.writer === self) return;
    const { writer, page } = read;
    if (page === null) {
      this.others.sign(writer, value !== null);
      if (value === null) leading.gone(writer);
      else {
        const sign = decodePage(value);
        if (fresh && sign !== null) leading.heard(writer, Number(sign.wallMs), clock.wallMs());
      }
      onClocks();
    } else if (value === null) this.others.drop(writer, page);
    else this.others.put(writer, page, value);
  }

  #signOfLife(lease: bigint): EtcdWrite {
    return { key: this.#aliveKey, value: encodePage(this.#leadingMs(), []), lease };
  }

  #leadingMs(): number {
    return this.#options.clock.wallMs() + this.#options.leading.leadMs;
  }

  #end(fault: EtcdFault): void {
    if (this.#ended) return;
    this.#stop();
    this.#options.onEnd(fault);
  }

  #stop(): void {
    this.#ended = true;
    this.#stopBatch?.();
    this.#stopBatch = null;
    this.#stopHeartbeat();
    this.#options.connection.close();
  }
}

function asFault(error: unknown): EtcdFault {
  return error instanceof EtcdFault ? error : new EtcdFault((error as Error).message);
}
