import { describe, expect, it } from 'vitest';
import type { CallOwner } from './outbound-sidecar.ts';
import { type Exchange, type ServiceCounts, SimulatedEndpoint } from './simulated-endpoint.ts';
import type { CallSpec, ServiceSpec } from './simulation.ts';
import { failure, serviceSpec } from './test/specs.ts';
import { VirtualTime } from './virtual-time.ts';

class Asked implements Exchange {
  over = false;
  onGivenUp: (() => void) | null = null;
  status = 0;
  readonly #time: VirtualTime;
  atMs = -1;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  answer(status: number): void {
    if (this.status !== 0) throw new Error('a second answer');
    this.status = status;
    this.atMs = this.#time.elapsedMs;
  }
}

const arriving = { method: 'GET', path: '/', authority: 'a', fields: [] };
const always = failure();

class Rig {
  readonly time = new VirtualTime();
  readonly counts: ServiceCounts = { received: 0, succeeded: 0, refused: 0, turnedAway: 0, inVain: 0 };
  readonly called: Array<{ readonly which: number; readonly owner: CallOwner }> = [];
  readonly endpoint: SimulatedEndpoint;

  constructor(more: Partial<ServiceSpec> = {}) {
    const spec = serviceSpec(more);
    this.endpoint = new SimulatedEndpoint('payments-0', '10.1.0.0', spec, {
      time: this.time,
      random: () => 0.5,
      counts: this.counts,
      calls: { call: (which, owner) => void this.called.push({ which, owner }) },
    });
  }

  ask(): Asked {
    const asked = new Asked(this.time);
    this.endpoint.arrive(asked, arriving);
    return asked;
  }
}

const call = (more: Partial<CallSpec> = {}): CallSpec => ({
  service: 'ledger',
  method: 'GET',
  path: '/',
  headers: {},
  share: 1,
  times: 1,
  optional: false,
  ...more,
});

describe('a simulated endpoint', () => {
  it('answers after its latency', () => {
    const rig = new Rig();
    const asked = rig.ask();
    rig.time.runUntil(50);
    expect([asked.status, asked.atMs]).toEqual([200, 10]);
    expect(rig.counts).toEqual({ received: 1, succeeded: 1, refused: 0, turnedAway: 0, inVain: 0 });
  });

  it('works on as many at a time as it can, lets as many wait as have room, and turns the rest away', () => {
    const rig = new Rig({ concurrency: 2, queue: 1 });
    const asked = [rig.ask(), rig.ask(), rig.ask(), rig.ask()];
    expect([rig.endpoint.serving, rig.endpoint.waiting]).toEqual([2, 1]);
    rig.time.runUntil(50);
    expect(asked.map(({ status, atMs }) => [status, atMs])).toEqual([
      [200, 10],
      [200, 10],
      [200, 20],
      [503, 0],
    ]);
    expect(rig.counts.turnedAway).toBe(1);
  });

  it('works on less at a time while it has less capacity, and goes on when it has it again', () => {
    const rig = new Rig({ concurrency: 4 });
    const weak = { ...always, capacityShare: 0.25 };
    rig.endpoint.begin(weak);
    const asked = [rig.ask(), rig.ask(), rig.ask()];
    expect(rig.endpoint.serving).toBe(1);
    rig.endpoint.end(weak);
    expect(rig.endpoint.serving).toBe(3);
    rig.time.runUntil(50);
    expect(asked.map(({ atMs }) => atMs)).toEqual([10, 10, 10]);
  });

  it('fails the share that the script says, and is slow as it says', () => {
    const rig = new Rig();
    rig.endpoint.begin({ ...always, failShare: 0.6, status: 500, latency: { kind: 'times', factor: 3 } });
    const failed = rig.ask();
    rig.time.runUntil(50);
    expect([failed.status, failed.atMs]).toEqual([500, 30]);
    rig.endpoint.begin({ ...always, latency: { kind: 'fixed', ms: 1 } });
    expect(rig.endpoint.effects.failShare).toBeCloseTo(0.6);
  });

  it('forgets what it was doing when its process ends', () => {
    const rig = new Rig({ concurrency: 1 });
    const asked = [rig.ask(), rig.ask()];
    const gone = { ...always, refuses: true };
    rig.endpoint.begin(gone);
    rig.endpoint.end(gone);
    rig.time.runUntil(100);
    expect(asked.map(({ status }) => status)).toEqual([0, 0]);
    expect([rig.endpoint.serving, rig.endpoint.waiting]).toEqual([0, 0]);
    const later = rig.ask();
    rig.time.runUntil(200);
    expect(later.status).toBe(200);
  });

  it('asks others one after the other, as often as it needs, and fails with them unless it can do without', () => {
    const rig = new Rig({ calls: [call({ times: 2 }), call({ optional: true }), call({ share: 0.4 })] });
    const asked = rig.ask();
    rig.time.runUntil(20);
    for (const status of [200, 200, 503]) rig.called.at(-1)!.owner.onCallEnded(status);
    // 0.5 is not below 0.4: the last is not needed.
    expect(rig.called.map(({ which }) => which)).toEqual([0, 0, 1]);
    expect(asked.status).toBe(200);
    const other = rig.ask();
    rig.time.runUntil(40);
    rig.called.at(-1)!.owner.onCallEnded(504);
    expect(other.status).toBe(503);
  });

  it('finishes what its caller gave up, or stops, as described', () => {
    for (const cancelled of ['finish', 'stop'] as const) {
      const rig = new Rig({ concurrency: 1, cancelled });
      const first = rig.ask();
      const second = rig.ask();
      const third = rig.ask();
      second.over = true;
      rig.time.runUntil(100);
      expect(first.atMs).toBe(10);
      expect(third.atMs).toBe(cancelled === 'finish' ? 30 : 20);
      expect(rig.counts.inVain).toBe(cancelled === 'finish' ? 1 : 0);
    }
  });
});
