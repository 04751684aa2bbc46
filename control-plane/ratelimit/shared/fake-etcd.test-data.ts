/** A store that behaves as etcd does, as far as we ask it, with trouble at will; and a clock that only tests move on. */
import {
  type EtcdChange,
  type EtcdConnection,
  type EtcdEntry,
  EtcdFault,
  type EtcdFence,
  type EtcdWrite,
} from '../../etcd/etcd-store.ts';
import type { SourceClock } from '../../source/source-clock.ts';

export class ManualClock {
  #nowMs = 0;
  #timers: Array<{ readonly atMs: number; readonly callback: () => void }> = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** As somebody has it whose wall clock is ahead by so much. */
  view(aheadMs = 0): SourceClock {
    return {
      after: (delayMs, callback) => {
        const timer = { atMs: this.#nowMs + delayMs, callback };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((each) => each !== timer);
        };
      },
      nowMs: () => this.#nowMs,
      wallMs: () => 1_800_000_000_000 + this.#nowMs + aheadMs,
    };
  }

  /** Timers fire in order, and what they begin goes on between them. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const [next] = this.#timers.toSorted((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = untilMs;
  }
}

/** No call of the fake takes more turns than that. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

interface Watcher {
  readonly prefix: string;
  readonly onChange: (change: EtcdChange) => void;
  readonly onEnd: (fault: EtcdFault) => void;
}

/** Of one call: not done; done, and the answer lost; done later, when its caller has long given it up. */
export type Trouble = 'none' | 'refused' | 'answer lost' | 'late';

export class FakeEtcd {
  readonly #clock: ManualClock;
  readonly entries = new Map<string, { value: Uint8Array; lease: bigint }>();
  readonly #leases = new Map<bigint, { ttlMs: number; endMs: number }>();
  readonly #watchers = new Set<Watcher>();
  #nextLease = 1n;
  #revision = 1n;
  #late: Array<() => void> = [];
  /** No member answers. */
  down = false;
  /** Nothing can be written: as with a database that is full. */
  full = false;
  /** Of the next writes, in turn. */
  troubles: Trouble[] = [];
  /** How long the next writes take, in turn; then `writeMs`. What is written is there at the end of it, so those that are under way together may pass each other. */
  delaysMs: number[] = [];
  writeMs = 0;
  /** Of reading all. */
  readMs = 0;
  /** Transactions that were done. */
  writes = 0;
  /** Of these, such as wrote nothing. */
  emptyWrites = 0;
  /** Keys that a connection wrote while an earlier write of its own to them was under way. */
  overlaps = 0;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  /** The server goes; whoever watches is told. */
  stop(): void {
    this.down = true;
    this.cut();
  }

  cut(): void {
    for (const watcher of [...this.#watchers]) {
      this.#watchers.delete(watcher);
      watcher.onEnd(new EtcdFault('the connection was cut'));
    }
  }

  /** What was given up and lay about is done now. */
  doLate(): void {
    for (const each of this.#late.splice(0)) each();
  }

  connect(): EtcdConnection {
    let watcher: Watcher | null = null;
    const underWay = new Map<string, number>();
    const begin = (writes: readonly EtcdWrite[]): void => {
      for (const { key } of writes) {
        if (underWay.has(key)) this.overlaps++;
        underWay.set(key, (underWay.get(key) ?? 0) + 1);
      }
    };
    const end = (writes: readonly EtcdWrite[]): void => {
      for (const { key } of writes) {
        const left = underWay.get(key)! - 1;
        if (left === 0) underWay.delete(key);
        else underWay.set(key, left);
      }
    };
    return {
      readAll: async (prefix: string, onEntry: (entry: EtcdEntry) => void) => {
        this.#answer();
        await this.#pass(this.readMs);
        this.#answer();
        for (const [key, { value }] of [...this.entries].toSorted(([a], [b]) => (a < b ? -1 : 1)))
          if (key.startsWith(prefix)) onEntry({ key, value });
        return this.#revision;
      },
      watch: (prefix, after, onChange, onEnd) => {
        if (after !== this.#revision) throw new Error('the fake keeps no history');
        watcher = { prefix, onChange, onEnd };
        this.#watchers.add(watcher);
      },
      write: async (writes: readonly EtcdWrite[], fence: EtcdFence | null) => {
        this.#answer();
        if (this.full) throw new EtcdFault('its database is full');
        const trouble = this.troubles.shift() ?? 'none';
        if (trouble === 'refused') throw new EtcdFault('it refused');
        if (trouble === 'late') {
          this.#late.push(() => this.#write(writes, fence));
          throw new EtcdFault('no answer within 2 s');
        }
        begin(writes);
        await this.#pass(this.delaysMs.shift() ?? this.writeMs);
        end(writes);
        this.#answer();
        const done = this.#write(writes, fence);
        if (trouble === 'answer lost') throw new EtcdFault('no answer within 2 s');
        return done;
      },
      grantLease: async (ttlSeconds: number) => {
        this.#answer();
        const id = this.#nextLease++;
        this.#leases.set(id, { ttlMs: ttlSeconds * 1_000, endMs: this.#clock.nowMs + ttlSeconds * 1_000 });
        return id;
      },
      keepLease: async (id: bigint) => {
        this.#answer();
        const lease = this.#leases.get(id);
        if (lease !== undefined) lease.endMs = this.#clock.nowMs + lease.ttlMs;
        return lease !== undefined;
      },
      close: () => {
        if (watcher !== null) this.#watchers.delete(watcher);
      },
    };
  }

  async #pass(ms: number): Promise<void> {
    if (ms > 0) await new Promise<void>((resolve) => void this.#clock.view().after(ms, resolve));
  }

  #answer(): void {
    this.#endLeases();
    if (this.down) throw new EtcdFault('connection refused');
  }

  #write(writes: readonly EtcdWrite[], fence: EtcdFence | null): boolean {
    if (fence !== null && this.entries.get(fence.key)?.lease !== fence.lease) return false;
    this.writes++;
    if (writes.length === 0) this.emptyWrites++;
    for (const { key, value, lease } of writes) {
      if (value === null) this.entries.delete(key);
      else this.entries.set(key, { value, lease });
      this.#tell({ key, value });
    }
    return true;
  }

  #endLeases(): void {
    for (const [id, { endMs }] of this.#leases) {
      if (endMs > this.#clock.nowMs) continue;
      this.#leases.delete(id);
      for (const [key, { lease }] of this.entries) {
        if (lease !== id) continue;
        this.entries.delete(key);
        this.#tell({ key, value: null });
      }
    }
  }

  #tell(change: EtcdChange): void {
    this.#revision++;
    for (const { prefix, onChange } of [...this.#watchers]) if (change.key.startsWith(prefix)) onChange(change);
  }
}
