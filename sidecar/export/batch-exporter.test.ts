import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { BatchExporter, type ExportOutcome, type ExportQueueBounds } from './batch-exporter.ts';

const taken: ExportOutcome = { kind: 'taken', rejected: 0, why: '' };
const down: ExportOutcome = { kind: 'failed', reason: 'connection', why: 'refused', retry: true, afterMs: 0 };
const refused: ExportOutcome = { kind: 'failed', reason: 'status', why: 'status 400', retry: false, afterMs: 0 };

const tenBytes = (item: number): Buffer => Buffer.alloc(10, item);

/** Items are numbers, each ten times in a row. */
class Rig {
  readonly time = new ManualTime();
  readonly batches: number[][] = [];
  readonly counts: Record<string, number> = {};
  answer: (outcome: ExportOutcome) => void = () => {};
  /** Null: it hangs. */
  atOnce: ExportOutcome | null = null;
  underWay = 0;
  mostUnderWay = 0;
  cancelled = 0;
  readonly exporter: BatchExporter;

  constructor(bounds: Partial<ExportQueueBounds> = {}) {
    const count = (what: string, by = 1): void => void (this.counts[what] = (this.counts[what] ?? 0) + by);
    this.exporter = new BatchExporter({
      transport: {
        encode: (items) => {
          const message = Buffer.concat(items);
          this.batches.push([...message].filter((_, i) => i % 10 === 0));
          return message;
        },
        release: () => count('released'),
        send: (_message, done) => {
          count('tries');
          this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
          const over = (outcome: ExportOutcome): void => {
            this.underWay--;
            done(outcome);
          };
          if (this.atOnce === null) this.answer = over;
          else over(this.atOnce);
          return {
            cancel: () => {
              this.underWay--;
              this.cancelled++;
            },
          };
        },
      },
      queue: {
        maxItems: 20,
        maxBytes: 10_000,
        batchItems: 4,
        batchBytes: 1_000,
        flushBytes: 1_000,
        delayMs: 1000,
        ...bounds,
      },
      timeoutMs: 10_000,
      observer: {
        sent: (items) => count('sent', items),
        dropped: (items, reason) => count(`dropped ${reason}`, items),
        rejected: (items, why) => count(`rejected: ${why}`, items),
        failed: (reason) => count(`failed ${reason}`),
        flushedByTimer: () => count('flushed'),
      },
      wheel: this.time.wheel,
      random: () => 1,
    });
  }

  offer(count: number): void {
    for (let i = 0; i < count; i++) this.exporter.offer(tenBytes(i));
  }
}

describe('batches', () => {
  it('go when they are full, never from inside of an offer', () => {
    const rig = new Rig();
    rig.offer(4);
    expect(rig.batches).toEqual([]);
    rig.time.advance(16);
    expect(rig.batches).toEqual([[0, 1, 2, 3]]);
  });

  it('go when the first of them has waited long enough', () => {
    const rig = new Rig();
    rig.offer(1);
    rig.time.advance(600);
    rig.offer(1);
    expect(rig.batches).toEqual([]);
    rig.time.advance(500);
    expect(rig.batches).toEqual([[0, 0]]);
    expect(rig.counts['flushed']).toBe(1);
  });

  it('go when they have bytes enough, and have no more of them', () => {
    const rig = new Rig({ batchBytes: 25, flushBytes: 25 });
    rig.atOnce = taken;
    rig.offer(2);
    rig.time.advance(16);
    expect(rig.batches).toEqual([]);
    rig.offer(1);
    rig.time.advance(16);
    expect(rig.batches).toEqual([[0, 1]]);
    rig.time.advance(1000);
    expect(rig.batches).toEqual([[0, 1], [0]]);
  });

  it('of a single item may be longer than that', () => {
    const rig = new Rig({ batchBytes: 1, flushBytes: 1 });
    rig.atOnce = taken;
    rig.offer(2);
    rig.time.advance(32);
    expect(rig.batches).toEqual([[0], [1]]);
  });

  it('have all that waits when they go, also where few bytes are enough to go', () => {
    const rig = new Rig({ flushBytes: 0 });
    rig.atOnce = taken;
    rig.offer(3);
    rig.time.advance(16);
    expect(rig.batches).toEqual([[0, 1, 2]]);
    expect(rig.counts['flushed']).toBeUndefined();
  });

  it('go one at a time: the next waits for the answer to the last', () => {
    const rig = new Rig();
    rig.offer(12);
    rig.time.advance(5000);
    expect(rig.batches).toHaveLength(1);
    rig.answer(taken);
    rig.time.advance(16);
    expect(rig.batches).toHaveLength(2);
    expect(rig.mostUnderWay).toBe(1);
    expect(rig.counts['sent']).toBe(4);
  });

  it('give their memory back once they are taken, but not where a try has failed before', () => {
    const rig = new Rig();
    rig.atOnce = taken;
    rig.offer(4);
    rig.time.advance(16);
    expect(rig.counts['released']).toBe(1);
    rig.atOnce = down;
    rig.offer(4);
    rig.time.advance(16);
    rig.atOnce = taken;
    rig.time.advance(2_000);
    expect(rig.counts).toMatchObject({ sent: 8, released: 1 });
  });

  it('that a collector takes in part count as such', () => {
    const rig = new Rig();
    rig.atOnce = { kind: 'taken', rejected: 3, why: 'too old' };
    rig.offer(4);
    rig.time.advance(16);
    expect(rig.counts).toMatchObject({ sent: 1, 'dropped rejected': 3, 'rejected: too old': 3 });
  });
});

describe('a collector that does not take them', () => {
  it('is asked again with pauses that grow, five times, then the batch is dropped and the next tried', () => {
    const rig = new Rig();
    rig.atOnce = down;
    rig.offer(5);
    rig.time.advance(16);
    const pauses = [1000, 2000, 4000, 8000];
    for (const [i, pause] of pauses.entries()) {
      rig.time.advance(pause - 200);
      expect(rig.counts['tries']).toBe(i + 1);
      rig.time.advance(224);
      expect(rig.counts['tries']).toBe(i + 2);
    }
    expect(rig.counts['dropped failed']).toBe(4);
    rig.time.advance(1100);
    expect(rig.batches).toEqual([[0, 1, 2, 3], [4]]);
  });

  it('is not asked again when it refused for good', () => {
    const rig = new Rig();
    rig.atOnce = refused;
    rig.offer(4);
    rig.time.advance(20_000);
    expect(rig.counts).toMatchObject({ tries: 1, 'failed status': 1, 'dropped failed': 4 });
  });

  it('says when to come again, a minute at most (Retry-After)', () => {
    const rig = new Rig();
    rig.atOnce = { ...down, afterMs: 20_000 };
    rig.offer(4);
    rig.time.advance(19_000);
    expect(rig.counts['tries']).toBe(1);
    rig.time.advance(2000);
    expect(rig.counts['tries']).toBe(2);
    rig.atOnce = { ...down, afterMs: 86_400_000 };
    rig.time.advance(20_000);
    expect(rig.counts['tries']).toBe(3);
    rig.time.advance(61_000);
    expect(rig.counts['tries']).toBe(4);
  });

  it('and hangs is given up after the time for one try', () => {
    const rig = new Rig();
    rig.offer(4);
    rig.time.advance(10_100);
    expect(rig.cancelled).toBe(1);
    expect(rig.counts['failed timeout']).toBe(1);
    rig.time.advance(1100);
    expect(rig.counts['tries']).toBe(2);
  });

  it('costs no more than the bound in number, and drops are counted', () => {
    const rig = new Rig();
    rig.offer(100);
    rig.time.advance(16);
    rig.offer(1000);
    expect(rig.exporter.held).toBe(24);
    expect(rig.counts['dropped queue']).toBe(1076);
  });

  it('costs no more than the bound in bytes', () => {
    const rig = new Rig({ maxBytes: 55 });
    rig.offer(100);
    expect(rig.exporter.held).toBe(5);
    expect(rig.exporter.waitingBytes).toBe(50);
    rig.time.advance(16);
    expect(rig.exporter.waitingBytes).toBe(10);
  });
});

describe('the end', () => {
  it('sends what there is without waiting, then is over', () => {
    const rig = new Rig();
    rig.atOnce = taken;
    rig.offer(7);
    let closed = false;
    rig.exporter.close(2000, () => (closed = true));
    rig.time.advance(50);
    expect(closed).toBe(true);
    expect(rig.counts['sent']).toBe(7);
    expect(rig.time.wheel.armedCount).toBe(0);
  });

  it('waits no longer than it may for a collector that hangs', () => {
    const rig = new Rig();
    rig.offer(7);
    let closed = false;
    rig.exporter.close(2000, () => (closed = true));
    rig.time.advance(1900);
    expect(closed).toBe(false);
    rig.time.advance(200);
    expect(closed).toBe(true);
    expect(rig.counts['dropped shutdown']).toBe(7);
    expect(rig.cancelled).toBe(1);
    expect(rig.time.wheel.armedCount).toBe(0);
  });

  it('does not try the rest where the first met a collector that is down', () => {
    const rig = new Rig();
    rig.atOnce = down;
    rig.offer(12);
    let closed = false;
    rig.exporter.close(2000, () => (closed = true));
    expect(closed).toBe(true);
    expect(rig.counts).toMatchObject({ tries: 1, 'dropped shutdown': 12 });
  });

  it('is told at once where there is nothing', () => {
    const rig = new Rig();
    let closed = false;
    rig.exporter.close(2000, () => (closed = true));
    expect(closed).toBe(true);
    rig.offer(3);
    expect(rig.counts['dropped shutdown']).toBe(3);
  });
});

it('whatever a collector does, each item is sent or dropped and counted, once, and bounds hold', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('offer' as const), count: fc.integer({ min: 0, max: 30 }) }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 15_000 }) }),
    fc.record({ do: fc.constant('answer' as const), outcome: fc.constantFrom(taken, down, refused) }),
    fc.record({ do: fc.constant('from now' as const), outcome: fc.constantFrom(taken, down, refused, null) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const rig = new Rig();
      let offered = 0;
      for (const each of steps) {
        if (each.do === 'offer') {
          offered += each.count;
          rig.offer(each.count);
        } else if (each.do === 'pass') rig.time.advance(each.ms);
        else if (each.do === 'from now') rig.atOnce = each.outcome;
        else if (rig.underWay > 0) rig.answer(each.outcome);
        expect(rig.exporter.held).toBeLessThanOrEqual(24);
        expect(rig.mostUnderWay).toBeLessThanOrEqual(1);
      }
      let closed = false;
      rig.exporter.close(1000, () => (closed = true));
      rig.time.advance(1100);
      expect(closed).toBe(true);
      const { counts } = rig;
      const dropped = ['queue', 'rejected', 'failed', 'shutdown'].reduce(
        (sum, why) => sum + (counts[`dropped ${why}`] ?? 0),
        0,
      );
      expect((counts['sent'] ?? 0) + dropped).toBe(offered);
      expect(rig.time.wheel.armedCount).toBe(0);
    }),
  );
});
