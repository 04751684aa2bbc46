/** Whatever comes, ends, waits and gives up, in whatever order: no limit is passed, nobody is lost, nobody waits who might go on, and who is served is whose turn it is. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { InboundQueueConfig } from '../../config/inbound-limits-config.ts';
import { InboundLimiter } from './inbound-limiter.ts';
import { RequestCount } from './request-count.ts';
import { type Priority, priorities, type WaitingLine, type WaitingRequest } from './waiting-line.ts';

class Request implements WaitingRequest {
  readonly caller: RequestCount | null;
  readonly route: RequestCount | null;
  readonly priority: Priority;
  readonly counted = this;
  sinceMs = 0;
  line: WaitingLine | null = null;
  earlier: WaitingRequest | null = null;
  later: WaitingRequest | null = null;

  constructor(caller: RequestCount | null, route: RequestCount | null, priority: Priority) {
    this.caller = caller;
    this.route = route;
    this.priority = priority;
  }
}

const event = fc.record({
  pauseMs: fc.constantFrom(0, 0, 1, 5, 30, 120, 600),
  what: fc.constantFrom('come', 'come', 'come', 'end', 'end', 'leave'),
  caller: fc.constantFrom(0, 0, 0, 1, 2),
  route: fc.constantFrom(0, 0, 1, 2),
  priority: fc.constantFrom(...priorities),
  which: fc.nat(),
});
const settings = fc.record({
  workload: fc.integer({ min: 1, max: 6 }),
  callers: fc.integer({ min: 1, max: 4 }),
  routes: fc.integer({ min: 1, max: 3 }),
  moving: fc.constantFrom(Infinity, Infinity, 1, 3),
  maxRequests: fc.integer({ min: 1, max: 8 }),
  maxRequestsPerCaller: fc.integer({ min: 1, max: 8 }),
});

test('limits hold, nobody is lost, and nobody waits who might go on', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 150 }), settings, (events, given) => {
      const queue: InboundQueueConfig = { ...given, maxWaitMs: 500, targetMs: 20, intervalMs: 100 };
      const workload = new RequestCount(given.workload);
      const machine = new InboundLimiter(workload, queue, () => ({
        hasRoom: (priority) => workload.used < given.moving * (priority === 'critical' ? 2 : 1),
      }));
      const callers = [null, ...[1, 2].map(() => new RequestCount(given.callers))];
      const routes = [null, ...[1, 2].map(() => new RequestCount(given.routes))];
      const underWay: Request[] = [];
      let waiting: Request[] = [];
      let nowMs = 0;
      const letIn = (): void => {
        for (
          let next = machine.next(nowMs) as Request | null;
          next !== null;
          next = machine.next(nowMs) as Request | null
        ) {
          const mine = next;
          // Those that would have had room too are worth less, or came later, or, under overload, earlier.
          const line = waiting.filter((each) => each.priority === mine.priority && sameCounts(each, mine));
          expect([line[0], line.at(-1)]).toContain(mine);
          const worthMore = waiting.filter(
            (each) => priorities.indexOf(each.priority) < priorities.indexOf(mine.priority) && sameCounts(each, mine),
          );
          expect(worthMore).toEqual([]);
          waiting = waiting.filter((each) => each !== mine);
          underWay.push(mine);
        }
      };
      for (const { pauseMs, what, caller, route, priority, which } of events) {
        nowMs += pauseMs;
        for (let over = machine.expired(nowMs); over !== null; over = machine.expired(nowMs)) {
          expect(nowMs - over.sinceMs).toBeGreaterThanOrEqual(500);
          expect(over.sinceMs).toBe(Math.min(...waiting.map(({ sinceMs }) => sinceMs)));
          waiting = waiting.filter((each) => each !== over);
        }
        if (what === 'come') {
          const request = new Request(callers[caller]!, routes[route]!, priority);
          const full = machine.full(request, nowMs);
          const passes = machine.take(request, nowMs);
          expect(passes).toBe(full === null);
          if (passes) underWay.push(request);
          else if (machine.join(request, nowMs) === null) {
            waiting.push(request);
            if (machine.displaced !== null) {
              const place = priorities.indexOf((machine.displaced as Request).priority);
              expect(place).toBeGreaterThanOrEqual(priorities.indexOf(priority));
              waiting = waiting.filter((each) => each !== machine.displaced);
            }
          }
        } else if (what === 'end' && underWay.length > 0) {
          machine.release(underWay.splice(which % underWay.length, 1)[0]!);
          letIn();
        } else if (what === 'leave' && waiting.length > 0) {
          machine.leave(waiting.splice(which % waiting.length, 1)[0]!, nowMs);
        }
        expect(workload.used).toBe(underWay.length);
        expect(workload.used).toBeLessThanOrEqual(given.workload);
        expect(machine.waiting).toBe(waiting.length);
        expect(machine.waiting).toBeLessThanOrEqual(given.maxRequests);
        for (const count of [...callers, ...routes]) {
          if (count === null) continue;
          expect(count.used).toBe(underWay.filter(({ caller, route }) => caller === count || route === count).length);
          expect(count.used).toBeLessThanOrEqual(count.limit);
          expect(count.waiting).toBe(waiting.filter(({ caller, route }) => caller === count || route === count).length);
        }
        for (const count of callers)
          if (count !== null) expect(count.waiting).toBeLessThanOrEqual(given.maxRequestsPerCaller);
        for (const each of waiting) expect(machine.full(each, nowMs)).not.toBe(null);
        expect(machine.dueMs).toBe(
          waiting.length === 0 ? Infinity : Math.min(...waiting.map(({ sinceMs }) => sinceMs)) + 500,
        );
      }
      // Everything ends: nothing is left over, and everybody was served.
      while (underWay.length > 0) {
        machine.release(underWay.pop()!);
        letIn();
      }
      expect([workload.used, machine.waiting, waiting.length]).toEqual([0, 0, 0]);
      expect([...callers, ...routes].every((count) => count === null || count.idle)).toBe(true);
    }),
    { numRuns: 400 },
  );
});

function sameCounts(a: Request, b: Request): boolean {
  return a.caller === b.caller && a.route === b.route;
}

test('at three times what a workload can do, those served have waited little, under overload too, and it is never idle', () => {
  // Four at once, 10 ms each: 400 a second. 1,200 a second come, and each of them wants an answer within 100 ms.
  const workload = new RequestCount(4);
  const queue: InboundQueueConfig = {
    ...{ maxRequests: 100, maxRequestsPerCaller: 100 },
    ...{ maxWaitMs: 500, targetMs: 20, intervalMs: 100 },
  };
  const machine = new InboundLimiter(workload, queue);
  const ends: Array<{ readonly request: Request; readonly atMs: number }> = [];
  const waits: number[] = [];
  let nowMs = 0;
  const serve = (request: Request): void => {
    ends.push({ request, atMs: nowMs + 10 });
  };
  for (let at = 0; at < 12_000; at++) {
    nowMs = at / 1.2;
    while (ends.length > 0 && ends[0]!.atMs <= nowMs) {
      machine.release(ends.shift()!.request);
      for (let next = machine.next(nowMs); next !== null; next = machine.next(nowMs)) {
        waits.push(nowMs - next.sinceMs);
        serve(next as Request);
      }
    }
    while (machine.expired(nowMs) !== null);
    const request = new Request(null, null, 'default');
    if (machine.take(request, nowMs)) {
      waits.push(0);
      serve(request);
    } else machine.join(request, nowMs);
  }
  const settled = waits.slice(400);
  expect(settled.length).toBeGreaterThan(10_000 * 0.4 * 0.95 - 400);
  // First come, first served would have let each of them wait for a hundred others: 250 ms.
  expect(settled.filter((ms) => ms <= 90).length / settled.length).toBeGreaterThan(0.99);
});
