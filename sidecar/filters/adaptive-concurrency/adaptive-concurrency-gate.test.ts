import { expect, it } from 'vitest';
import { ProxyError } from '../../codec/proxy-error.ts';
import { ActiveStream } from '../../connection-manager/active-stream.ts';
import { anyPath, forward, pathMatch, route } from '../../connection-manager/test/configs.ts';
import { FakeServerStream } from '../../connection-manager/test/fake-peers.ts';
import { answer, get, grpcCall, StreamRig } from '../../connection-manager/test/stream-rig.ts';
import { AdaptiveConcurrencyGate } from './adaptive-concurrency-gate.ts';

const gradient = {
  percentile: 0.5,
  maxConcurrency: 10,
  updateIntervalMs: 100,
  minRttIntervalMs: 60_000,
  minRttRequests: 2,
  jitter: 0,
  minConcurrency: 2,
  buffer: 0.25,
};

const priorities = ['critical', 'default', 'sheddable'] as const;

function rig(enabled = true): StreamRig {
  const routes = priorities.map((priority) =>
    route(priority, pathMatch({ kind: 'prefix', value: `/${priority}` }), forward('orders'), {
      gates: new Map([['ac', { kind: 'shedding-priority', priority }]]),
    }),
  );
  const made = new StreamRig({ routes: [...routes, route('r', anyPath, forward('orders'))] });
  const config = { kind: 'adaptive-concurrency', filterName: 'ac', enabled, exceededStatus: 503, gradient } as const;
  Object.assign(made.manager, { gates: [new AdaptiveConcurrencyGate(config, 'test', made.context)] });
  return made;
}

function begin(made: StreamRig, head = get('/')): { downstream: FakeServerStream; stream: ActiveStream } {
  const downstream = new FakeServerStream();
  const stream = new ActiveStream(made, downstream);
  stream.onHead(head, true);
  return { downstream, stream };
}

const prefix = 'http.test.adaptive_concurrency.gradient_controller';
const gauge = (made: StreamRig, name: string): number => made.stats.gauges.get(`${prefix}.${name}`)!.value;

it('refuses what is beyond the limit at once, with no flag and the details of Envoy, and counts it', () => {
  const made = rig();
  begin(made);
  begin(made);
  const { downstream } = begin(made);
  expect(downstream.head!.status).toBe(503);
  expect(made.logged).toMatchObject({ flags: null, details: 'reached_concurrency_limit' });
  // Ours: so that callers' proxies take it for what it is.
  expect(downstream.head!.fields.get('x-envoy-overloaded')).toBe('true');
  expect(downstream.head!.fields.get('retry-after')).toBe('1');
  expect(made.counter(`${prefix}.rq_blocked`)).toBe(1);
  expect(begin(made, grpcCall()).downstream.head!.fields.get('grpc-status')).toBe('14');
  made.cluster.streams[0]!.receiver.onHead(answer(200), true);
  expect(begin(made).downstream.head).toBe(null);
});

it('learns from answers and timeouts, not from failures of its own or callers that go away', () => {
  const made = rig();
  const gone = new ProxyError({ flag: 'DC', source: 'downstream', details: 'gone', message: 'Gone.' });
  begin(made).stream.onReset(gone);
  made.cluster.failNext.push(
    new ProxyError({ flag: 'UH', source: 'local', details: 'no_healthy_upstream', message: 'None.' }),
  );
  expect(begin(made).downstream.head!.status).toBe(503);
  expect(gauge(made, 'min_rtt_calculation_active')).toBe(1);
  begin(made);
  made.time.advance(40);
  made.cluster.last.receiver.onHead(answer(500), true);
  const late = begin(made);
  made.time.advance(15_100);
  expect(late.downstream.head!.status).toBe(504);
  expect(gauge(made, 'min_rtt_calculation_active')).toBe(0);
  expect(gauge(made, 'min_rtt_msecs')).toBe(40);
  expect(gauge(made, 'concurrency_limit')).toBe(2);
});

it('does nothing where it is not enabled', () => {
  const made = rig(false);
  const heads = [1, 2, 3].map(() => begin(made).downstream.head);
  expect(heads).toEqual([null, null, null]);
});

it('refuses what can wait first, and what is critical last; all count as under way', () => {
  const made = rig();
  const letIn = (path: string): boolean => begin(made, get(path)).downstream.head === null;
  // Of a limit of two: one, two, three.
  expect([letIn('/sheddable'), letIn('/sheddable')]).toEqual([true, false]);
  expect([letIn('/default'), letIn('/')]).toEqual([true, false]);
  expect([letIn('/critical'), letIn('/critical')]).toEqual([true, false]);
  const shed = (priority: string): number =>
    made.stats.counter('outrigger_requests_shed_total', null, { priority }).value;
  expect(priorities.map(shed)).toEqual([1, 1, 1]);
  expect(made.counter(`${prefix}.rq_blocked`)).toBe(3);
});
