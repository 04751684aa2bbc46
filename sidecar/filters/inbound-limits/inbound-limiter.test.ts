import { describe, expect, test } from 'vitest';
import type { InboundQueueConfig } from '../../config/inbound-limits-config.ts';
import { InboundLimiter, type MovingLimit } from './inbound-limiter.ts';
import { RequestCount } from './request-count.ts';
import type { CountedRequest, Priority, WaitingLine, WaitingRequest } from './waiting-line.ts';

const queue: InboundQueueConfig = {
  maxRequests: 4,
  maxRequestsPerCaller: 4,
  maxWaitMs: 500,
  targetMs: 20,
  intervalMs: 100,
};

class Waiting implements WaitingRequest {
  readonly name: string;
  readonly counted: CountedRequest;
  sinceMs = 0;
  line: WaitingLine | null = null;
  earlier: WaitingRequest | null = null;
  later: WaitingRequest | null = null;

  constructor(name: string, counted: CountedRequest) {
    this.name = name;
    this.counted = counted;
  }
}

const none = { caller: null, route: null, priority: 'default' } as const;
const counted = (more: Partial<CountedRequest> = {}): CountedRequest => ({ ...none, ...more });
const waiting = (name: string, more: Partial<CountedRequest> = {}): Waiting => new Waiting(name, counted(more));
const nameOf = (request: WaitingRequest | null): string => (request === null ? '' : (request as Waiting).name);

function limiter(limit: number, more: Partial<InboundQueueConfig> = {}, moving?: MovingLimit): InboundLimiter {
  return new InboundLimiter(new RequestCount(limit), { ...queue, ...more }, () => moving ?? null);
}

/** Ends one request that is under way and lets in who may: their names. */
function turn(machine: InboundLimiter, nowMs: number, over: CountedRequest = counted()): string {
  machine.release(over);
  return nameOf(machine.next(nowMs));
}

describe('limits', () => {
  test('of a caller, a route and the workload hold each by itself, and say which of them has no room', () => {
    const machine = limiter(4);
    const [a, b] = [new RequestCount(2), new RequestCount(2)];
    const reports = new RequestCount(1);
    expect([1, 2, 3].map(() => machine.take(counted({ caller: a }), 0))).toEqual([true, true, false]);
    expect(machine.full(counted({ caller: a }), 0)).toBe('caller');
    expect(machine.take(counted({ caller: b, route: reports }), 0)).toBe(true);
    expect(machine.full(counted({ caller: b, route: reports }), 0)).toBe('route');
    expect(machine.take(counted({ caller: b }), 0)).toBe(true);
    expect(machine.full(counted(), 0)).toBe('workload');
    machine.release(counted({ caller: b, route: reports }));
    expect(machine.full(counted({ route: reports }), 0)).toBe(null);
    expect([a.used, b.used, reports.used, machine.workload.used]).toEqual([2, 1, 0, 3]);
  });

  test('sheddable requests fill three quarters of the workload, and one in any case', () => {
    const machine = limiter(4);
    const sheddable = counted({ priority: 'sheddable' });
    expect([1, 2, 3, 4].map(() => machine.take(sheddable, 0))).toEqual([true, true, true, false]);
    expect([machine.take(counted(), 0), machine.take(counted(), 0)]).toEqual([true, false]);
    expect(limiter(1).take(sheddable, 0)).toBe(true);
  });

  test('without a queue nobody waits', () => {
    const machine = new InboundLimiter(new RequestCount(1), null);
    machine.take(counted(), 0);
    expect(machine.join(waiting('x'), 0)).toBe('no-queue');
    expect([machine.dueMs, machine.waiting]).toEqual([Infinity, 0]);
  });
});

describe('the queue', () => {
  test('serves in the order of arrival while nobody waits long', () => {
    const machine = limiter(1);
    machine.take(counted(), 0);
    for (const name of ['a', 'b', 'c']) expect(machine.join(waiting(name), 0)).toBe(null);
    expect(machine.next(0)).toBe(null);
    expect([turn(machine, 10), turn(machine, 15), turn(machine, 19), turn(machine, 20)]).toEqual(['a', 'b', 'c', '']);
  });

  test('serves the newest first once the oldest has waited more than the target for the interval; in order again once it was empty', () => {
    const machine = limiter(1);
    machine.take(counted(), 0);
    for (const [at, name] of ['a', 'b', 'c', 'd'].entries()) machine.join(waiting(name), at);
    expect(turn(machine, 119)).toBe('a');
    expect(machine.overloaded).toBe(false);
    expect(turn(machine, 120)).toBe('d');
    expect(machine.overloaded).toBe(true);
    machine.join(waiting('e'), 130);
    expect([turn(machine, 131), turn(machine, 132), turn(machine, 133)]).toEqual(['e', 'c', 'b']);
    expect(machine.overloaded).toBe(false);
    for (const name of ['f', 'g']) machine.join(waiting(name), 140);
    expect([turn(machine, 141), turn(machine, 142)]).toEqual(['f', 'g']);
  });

  test('serves the more critical first, whoever came first', () => {
    const machine = limiter(1);
    machine.take(counted(), 0);
    const priorities: Priority[] = ['sheddable', 'default', 'critical'];
    for (const priority of priorities) machine.join(waiting(priority, { priority }), 0);
    expect([turn(machine, 1), turn(machine, 1), turn(machine, 1)]).toEqual(['critical', 'default', 'sheddable']);
  });

  test('passes over those whose own caller or route is full: nobody waits for the limit of another', () => {
    const machine = limiter(2);
    const [a, b] = [new RequestCount(1), new RequestCount(1)];
    machine.take(counted({ caller: a }), 0);
    machine.take(counted({ caller: b }), 0);
    machine.join(waiting('a1', { caller: a }), 0);
    machine.join(waiting('a2', { caller: a }), 0);
    machine.join(waiting('b1', { caller: b }), 0);
    expect(turn(machine, 1, counted({ caller: b }))).toBe('b1');
    expect(machine.next(1)).toBe(null);
    expect(turn(machine, 2, counted({ caller: a }))).toBe('a1');
    expect([a.used, a.waiting, b.used, b.waiting]).toEqual([1, 1, 1, 0]);
  });

  test('refuses who comes when it is full, but for one that counts for more: then the last of the least worth goes', () => {
    const machine = limiter(1);
    machine.take(counted(), 0);
    for (const name of ['a', 'b']) machine.join(waiting(name), 0);
    for (const name of ['s1', 's2']) machine.join(waiting(name, { priority: 'sheddable' }), 0);
    expect(machine.join(waiting('s3', { priority: 'sheddable' }), 1)).toBe('queue-full');
    expect(machine.join(waiting('c'), 1)).toBe(null);
    expect(nameOf(machine.displaced)).toBe('s2');
    expect(machine.join(waiting('d', { priority: 'critical' }), 1)).toBe(null);
    expect(nameOf(machine.displaced)).toBe('s1');
    expect(machine.join(waiting('e'), 1)).toBe('queue-full');
    expect(machine.waiting).toBe(4);
    expect([1, 2, 3, 4].map(() => turn(machine, 2))).toEqual(['d', 'a', 'b', 'c']);
  });

  test('under overload the oldest goes for the one that comes', () => {
    const machine = limiter(1);
    machine.take(counted(), 0);
    for (const name of ['a', 'b', 'c', 'd']) machine.join(waiting(name), 0);
    expect(machine.join(waiting('e'), 150)).toBe(null);
    expect(nameOf(machine.displaced)).toBe('a');
    expect(turn(machine, 151)).toBe('e');
  });

  test('a caller has no more than its share of it, and displaces its own', () => {
    const machine = limiter(1, { maxRequestsPerCaller: 2 });
    const [a, b] = [new RequestCount(9), new RequestCount(9)];
    machine.take(counted(), 0);
    machine.join(waiting('b', { caller: b, priority: 'sheddable' }), 0);
    machine.join(waiting('a1', { caller: a }), 0);
    machine.join(waiting('a2', { caller: a }), 0);
    expect(machine.join(waiting('a3', { caller: a }), 0)).toBe('caller-queue-full');
    expect(machine.join(waiting('a4', { caller: a, priority: 'critical' }), 0)).toBe(null);
    expect(nameOf(machine.displaced)).toBe('a2');
    expect(machine.join(waiting('b2', { caller: b }), 0)).toBe(null);
    expect(machine.displaced).toBe(null);
  });

  test('a request whose time is over goes, and one whose caller is gone', () => {
    const machine = limiter(1);
    machine.take(counted(), 0);
    machine.join(waiting('a'), 0);
    machine.join(waiting('s', { priority: 'sheddable' }), 10);
    const gone = waiting('b');
    machine.join(gone, 20);
    machine.join(waiting('c'), 30);
    expect(machine.dueMs).toBe(500);
    expect(machine.expired(499)).toBe(null);
    expect(nameOf(machine.expired(500))).toBe('a');
    machine.leave(gone, 505);
    machine.leave(gone, 505);
    expect([nameOf(machine.expired(530)), nameOf(machine.expired(530)), machine.expired(530)]).toEqual([
      's',
      'c',
      null,
    ]);
    expect([machine.waiting, machine.dueMs]).toEqual([0, Infinity]);
  });
});

test('a limit that moves holds beside the others, and lets in those who wait as it grows', () => {
  let room = { critical: 2, default: 1, sheddable: 0 };
  const machine = limiter(Infinity, {}, { hasRoom: (priority) => machine.workload.used < room[priority] });
  expect(machine.take(counted(), 0)).toBe(true);
  expect(machine.full(counted(), 0)).toBe('adaptive');
  expect(machine.take(counted({ priority: 'critical' }), 0)).toBe(true);
  machine.join(waiting('s', { priority: 'sheddable' }), 0);
  machine.join(waiting('a'), 0);
  expect(machine.next(1)).toBe(null);
  room = { critical: 9, default: 3, sheddable: 3 };
  expect([nameOf(machine.next(2)), nameOf(machine.next(2))]).toEqual(['a', '']);
  expect(turn(machine, 3)).toBe('s');
});
