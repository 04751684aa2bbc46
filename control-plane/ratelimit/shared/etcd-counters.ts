/**
 * Counters that several control planes share by etcd. Each counts what it is asked for itself, tells the others in batches, and adds up what they told: so a request never waits for the store, and while there is none everybody counts
 * alone. docs/adr/0008 says why, docs/resilience.md by how much a limit can be exceeded.
 */
import type { Logger } from 'pino';
import type { EtcdConnection, EtcdFault } from '../../etcd/etcd-store.ts';
import type { SourceClock } from '../../source/source-clock.ts';
import { type CounterState, type CounterStore, defaultMaxCounters } from '../counter-store.ts';
import { CounterSession } from './counter-session.ts';
import { LeadingClock, maxLeadMs } from './leading-clock.ts';
import { type LeftOut, OtherCounts } from './other-counts.ts';
import { OwnPages } from './own-pages.ts';

export interface EtcdCountersOptions {
  /** As people write them. Tried in turn. */
  readonly members: readonly string[];
  /** To one of `members`. */
  readonly connect: (member: number) => EtcdConnection;
  /** Of all keys; ends in `/`. */
  readonly prefix: string;
  /** Another for each control plane and each start. */
  readonly writer: string;
  readonly clock: SourceClock;
  readonly random: () => number;
  readonly log: Logger;
  readonly maxCounters?: number;
  /** Counts of all others that are kept here. Default: four times `maxCounters`. */
  readonly maxOtherCounts?: number;
}

const minRetryMs = 250;
const maxRetryMs = 5_000;
/** Who stays connected for so long has no need to be put off any more. */
const steadyMs = 10_000;
const closeMs = 1_000;

export interface SharingFigures {
  readonly shared: boolean;
  /** Times that sharing ended. */
  readonly outages: number;
  readonly batches: number;
  /** Other control planes that share. */
  readonly peers: number;
  readonly otherCounters: number;
  /** Counts of our own that others are not told, and pages of others that were left out, as a whole or in part: too many, or not to be read. */
  readonly leftOut: number;
}

export class EtcdCounters implements CounterStore {
  readonly #options: EtcdCountersOptions;
  readonly #own: OwnPages;
  readonly #leading = new LeadingClock();
  /** Without a store: as it was when there was one. Windows end, and with them what is known of others. */
  #others: OtherCounts;
  #session: CounterSession | null = null;
  #member = 0;
  #retryMs = minRetryMs;
  #stopRetry: () => void = () => {};
  #closed = false;
  #shared = false;
  #told: 'nothing' | 'shared' | 'alone' = 'nothing';
  #clocksDiffer = false;
  #sharedSinceMs = 0;
  #outages = 0;
  #batches = 0;
  #leftOut = 0;
  readonly #leftOutTold = new Set<LeftOut>();

  constructor(options: EtcdCountersOptions) {
    const { maxCounters = defaultMaxCounters } = options;
    this.#options = options;
    this.#own = new OwnPages(maxCounters);
    this.#others = new OtherCounts(this.#maxOtherCounts, () => {});
  }

  get size(): number {
    return this.#own.size;
  }

  get evictions(): number {
    return this.#own.evictions;
  }

  get figures(): SharingFigures {
    return {
      shared: this.#shared,
      outages: this.#outages,
      batches: this.#batches + (this.#session?.batches ?? 0),
      peers: this.#session?.peers ?? 0,
      otherCounters: this.#others.size,
      leftOut: this.#leftOut + this.#own.leftOut,
    };
  }

  /** Begins to share, and goes on until `close`. Without it counts stay here. */
  start(): void {
    const { connect, clock, prefix, writer } = this.#options;
    const session = new CounterSession({
      connection: connect(this.#member),
      clock,
      prefix,
      writer,
      own: this.#own,
      leading: this.#leading,
      maxOtherCounts: this.#maxOtherCounts,
      onLeftOut: (reason) => this.#pageLeftOut(reason),
      onClocks: () => this.#compareClocks(),
      onEnd: (fault) => this.#ended(session, fault),
    });
    this.#session = session;
    void session.open().then((opened) => {
      if (opened && !this.#closed) this.#opened(session);
    });
  }

  add(key: string, hits: number, windowMs: number, wallMs: number): Promise<CounterState> {
    const nowMs = wallMs + this.#leading.leadMs;
    const { own, page } = this.#own.add(key, hits, windowMs, nowMs);
    this.#session?.changed();
    return Promise.resolve({
      count: own.count + this.#others.countOf(page, key, own.windowEndMs),
      resetMs: Math.max(0, own.windowEndMs - nowMs),
    });
  }

  /** The last counts go to the store, if it is quick. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopRetry();
    const session = this.#session;
    if (session === null) return;
    let stopWaiting: () => void = () => {};
    const late = new Promise<void>((resolve) => {
      stopWaiting = this.#options.clock.after(closeMs, resolve);
    });
    await Promise.race([session.close(), late]);
    stopWaiting();
  }

  get #maxOtherCounts(): number {
    return this.#options.maxOtherCounts ?? 4 * (this.#options.maxCounters ?? defaultMaxCounters);
  }

  #opened(session: CounterSession): void {
    this.#others = session.others;
    this.#shared = true;
    this.#sharedSinceMs = this.#options.clock.nowMs();
    if (this.#told === 'shared') return;
    this.#told = 'shared';
    const { peers } = session;
    this.#options.log.info(
      `rate limit counters are shared by etcd at ${this.#options.members[this.#member]!}, with ${peers === 0 ? 'no other control plane yet' : peers === 1 ? 'one other control plane' : `${peers} other control planes`}`,
    );
  }

  #ended(session: CounterSession, fault: EtcdFault): void {
    const { clock, random, members, log } = this.#options;
    this.#session = null;
    this.#batches += session.batches;
    if (this.#closed) return;
    if (this.#shared) {
      this.#outages++;
      if (clock.nowMs() - this.#sharedSinceMs >= steadyMs) this.#retryMs = minRetryMs;
    }
    this.#shared = false;
    if (this.#told !== 'alone') {
      const more = this.#told === 'shared' ? ' any more' : '';
      this.#told = 'alone';
      log.warn(
        `rate limit counters are not shared${more}: etcd at ${members[this.#member]!}: ${fault.message}; this control plane goes on with its own counts and what it knows of others, so limits hold for each control plane by itself; trying again`,
      );
    }
    this.#member = (this.#member + 1) % members.length;
    this.#stopRetry = clock.after(this.#retryMs * (0.5 + random() / 2), () => this.start());
    this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2);
  }

  /** Each reason is told once: what goes on is in the metrics. */
  #pageLeftOut(reason: LeftOut): void {
    this.#leftOut++;
    if (this.#leftOutTold.has(reason)) return;
    this.#leftOutTold.add(reason);
    this.#options.log.warn(
      reason === 'too many'
        ? `other control planes share more than ${this.#maxOtherCounts} counters, and no more are kept here: those of control planes that have ended go first, then what a page has beyond that is left out, and limits hold for each control plane by itself as far as they are concerned; count by fewer values or in shorter windows (outrigger_rate_limit_left_out_total tells how often)`
        : `another control plane wrote counters under ${this.#options.prefix} that cannot be read, and they are left out: is everything there of the same mesh, and of one version?`,
    );
  }

  #compareClocks(): void {
    const ahead = this.#leading.tooFarAhead;
    if (ahead.size > 0 === this.#clocksDiffer) return;
    this.#clocksDiffer = ahead.size > 0;
    const { log } = this.#options;
    const furthest = Math.max(...ahead.values()) / 1_000;
    if (this.#clocksDiffer)
      log.warn(
        `the clock of another control plane is ${furthest.toFixed(1)} s ahead of this one's, and no more than ${maxLeadMs / 1_000} s are made up for: limits whose windows are shorter hold for each by itself; set the clocks right`,
      );
    else log.info('the clocks of control planes agree again, as far as rate limits need it');
  }
}
