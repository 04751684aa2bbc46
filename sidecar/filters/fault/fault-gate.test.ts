import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { FaultConfig } from '../../config/fault-config.ts';
import { anyPath, forward, route } from '../../connection-manager/test/configs.ts';
import { answer, bytes, get, grpcCall, StreamRig } from '../../connection-manager/test/stream-rig.ts';
import { FaultGate } from './fault-gate.ts';

const always = { numerator: 100, denominator: 100 };
const none: FaultConfig = {
  kind: 'fault',
  filterName: 'faults',
  delay: null,
  abort: null,
  responseLimit: null,
  upstreamCluster: '',
  headers: [],
  downstreamNodes: [],
  maxActiveFaults: Infinity,
  metadata: null,
};
const abort503 = { by: { kind: 'http', status: 503 }, share: always } as const;
const delay100 = { fixedMs: 100, share: always };
const gone = new ProxyError({ flag: 'DC', source: 'downstream', details: 'gone', message: 'Gone.' });

function rig(config: Partial<FaultConfig>, ofRoute?: Partial<FaultConfig>): StreamRig {
  const gates = ofRoute === undefined ? null : new Map([['faults', { ...none, filterName: '', ...ofRoute }]]);
  const made = new StreamRig({ routes: [route('r', anyPath, forward('orders'), { gates })] });
  const gate = new FaultGate({ ...none, ...config }, 'test', made.context);
  Object.assign(made.manager, { gates: [gate] });
  return made;
}

const active = (made: StreamRig): number => made.stats.gauges.get('http.test.fault.active_faults')!.value;

describe('a delay', () => {
  it('holds the request for its time, then lets it go on with the flag DI', () => {
    const made = rig({ delay: delay100, metadata: { why: 'test' } }).request();
    made.time.advance(96);
    expect(made.cluster.streams.length).toBe(0);
    expect(active(made)).toBe(1);
    made.time.advance(24);
    made.cluster.last.receiver.onHead(answer(200), true);
    expect(made.downstream.head!.status).toBe(200);
    expect(made.logged).toMatchObject({ flags: 'DI', status: 200 });
    expect(made.stream.metadata!.get('envoy.filters.http.fault')).toEqual({ why: 'test' });
    expect(made.counter('http.test.fault.delays_injected')).toBe(1);
    expect(active(made)).toBe(0);
  });

  it('that the caller gives up holds nothing', () => {
    const made = rig({ delay: delay100 }).request();
    made.stream.onReset(gone);
    expect(made.time.wheel.armedCount).toBe(0);
    expect(active(made)).toBe(0);
    expect(made.logged).toMatchObject({ flags: 'DI,DC', status: 499 });
    made.time.advance(500);
    expect(made.cluster.streams.length).toBe(0);
  });

  it('can be followed by a failure: both flags, one active fault', () => {
    const made = rig({ delay: delay100, abort: abort503 }).request();
    expect(active(made)).toBe(1);
    made.time.advance(120);
    expect(made.logged).toMatchObject({ flags: 'DI,FI', status: 503, details: 'fault_filter_abort' });
    expect(active(made)).toBe(0);
  });
});

describe('a failure', () => {
  it('has its HTTP status, and for gRPC callers what that means', () => {
    const plain = rig({ abort: { ...abort503, by: { kind: 'http', status: 418 } } }).request();
    expect(plain.downstream.head!.status).toBe(418);
    expect(plain.logged).toMatchObject({ flags: 'FI', details: 'fault_filter_abort' });
    expect(plain.counter('http.test.fault.aborts_injected')).toBe(1);
    const grpc = rig({ abort: abort503 }).request(grpcCall());
    expect(grpc.downstream.head!.fields.get('grpc-status')).toBe('14');
  });

  it('names the FaultPolicy in the answer and the log, where the control plane says whose fault it is', () => {
    const metadata = { policy: 'FaultPolicy shop/payments' };
    const failed = rig({ abort: abort503, metadata }).request();
    expect(JSON.parse(failed.downstream.body)).toMatchObject({ flag: 'FI', rule: metadata.policy });
    expect(failed.logged).toMatchObject({ flags: 'FI', policy: metadata.policy });
    const delayed = rig({ delay: delay100, metadata }).request();
    delayed.time.advance(120);
    delayed.cluster.last.receiver.onHead(answer(200), true);
    expect(delayed.logged).toMatchObject({ flags: 'DI', policy: metadata.policy });
    const throttled = rig({ responseLimit: { kibPerSecond: 1, share: always }, metadata }).request();
    throttled.cluster.last.receiver.onHead(answer(200), true);
    expect(throttled.logged).toMatchObject({ policy: metadata.policy });
    // Whoever else writes metadata is no control plane of ours.
    const other = rig({ abort: abort503, metadata: { policy: { name: 'a' } } }).request();
    expect(JSON.parse(other.downstream.body)).toMatchObject({ rule: 'r' });
    expect(other.logged).toMatchObject({ policy: null });
  });

  it('has its gRPC status; others get 200 (Envoy)', () => {
    const config = { abort: { by: { kind: 'grpc', status: 5 }, share: always } } as const;
    expect(rig(config).request(grpcCall()).downstream.head!.fields.get('grpc-status')).toBe('5');
    expect(rig(config).request().downstream.head!.status).toBe(200);
  });

  it('hits its share of requests only', () => {
    const made = rig({ abort: { ...abort503, share: { numerator: 25, denominator: 100 } } });
    made.random = 0.25;
    expect(made.request().cluster.streams.length).toBe(1);
    const hit = rig({ abort: { ...abort503, share: { numerator: 25, denominator: 100 } } });
    hit.random = 0.249;
    expect(hit.request().downstream.head!.status).toBe(503);
  });

  it('is for requests with the headers, the cluster and the caller that it names', () => {
    const node = get('/', HeaderFields.of(['x-envoy-downstream-service-node', 'n1']));
    const header = {
      name: 'x-a',
      test: { kind: 'present', present: true },
      invert: false,
      treatMissingAsEmpty: false,
    } as const;
    const passes = (config: Partial<FaultConfig>, head = get('/')): boolean =>
      rig({ abort: abort503, ...config }).request(head).cluster.streams.length === 1;
    expect(passes({ upstreamCluster: 'other' })).toBe(true);
    expect(passes({ upstreamCluster: 'orders' })).toBe(false);
    expect(passes({ headers: [header] })).toBe(true);
    expect(passes({ headers: [header] }, get('/', HeaderFields.of(['x-a', '1'])))).toBe(false);
    expect(passes({ downstreamNodes: ['n1'] })).toBe(true);
    expect(passes({ downstreamNodes: ['n1'] }, node)).toBe(false);
  });
});

describe('faults that the caller asks for', () => {
  const asks = (...pairs: ReadonlyArray<readonly [string, string]>) => get('/', HeaderFields.of(...pairs));
  const byHeader = { fixedMs: null, share: always };

  it('are made only where the configuration asks for them', () => {
    const head = asks(['x-envoy-fault-abort-request', '500'], ['x-envoy-fault-delay-request', '50']);
    expect(rig({}).request(head).cluster.streams.length).toBe(1);
    expect(rig({ abort: { by: { kind: 'header' }, share: always } }).request(head).downstream.head!.status).toBe(500);
    const delayed = rig({ delay: byHeader }).request(head);
    delayed.time.advance(80);
    expect(delayed.cluster.streams.length).toBe(1);
    expect(delayed.counter('http.test.fault.delays_injected')).toBe(1);
  });

  it('have no effect when they are not numbers in range, and no more than the configured share', () => {
    const config = { abort: { by: { kind: 'header' }, share: { numerator: 50, denominator: 100 } } } as const;
    for (const value of ['199', '600', '-1', 'x', '']) {
      expect(rig(config).request(asks(['x-envoy-fault-abort-request', value])).cluster.streams.length).toBe(1);
    }
    const greedy = rig(config);
    greedy.random = 0.6;
    const head = asks(['x-envoy-fault-abort-request', '500'], ['x-envoy-fault-abort-request-percentage', '100']);
    expect(greedy.request(head).cluster.streams.length).toBe(1);
    const modest = asks(['x-envoy-fault-abort-request', '500'], ['x-envoy-fault-abort-request-percentage', '0']);
    expect(rig(config).request(modest).cluster.streams.length).toBe(1);
    const grpc = rig(config).request(grpcCall(['x-envoy-fault-abort-grpc-request', '9']));
    expect(grpc.downstream.head!.fields.get('grpc-status')).toBe('9');
  });
});

it('max_active_faults leaves further requests alone and counts them', () => {
  const made = rig({ abort: abort503, maxActiveFaults: 0 }).request();
  expect(made.cluster.streams.length).toBe(1);
  expect(made.counter('http.test.fault.faults_overflow')).toBe(1);
});

it('a route says what happens instead of the filter', () => {
  expect(rig({ abort: abort503 }, {}).request().cluster.streams.length).toBe(1);
  expect(rig({}, { abort: abort503 }).request().downstream.head!.status).toBe(503);
});

describe('a response limit', () => {
  const slow = { responseLimit: { kibPerSecond: 16, share: always } };

  it('sends a sixteenth of a second at a time, and the end with the last piece', () => {
    const made = rig(slow).request();
    const { receiver } = made.cluster.last;
    receiver.onHead(answer(200), false);
    receiver.onData(bytes(4096), true);
    expect(made.downstream.body.length).toBe(1024);
    made.time.advance(72);
    expect(made.downstream.body.length).toBeGreaterThanOrEqual(2048);
    expect(made.downstream.ended).toBe(false);
    made.time.advance(200);
    expect(made.downstream.body.length).toBe(4096);
    expect(made.downstream.ended).toBe(true);
    expect(made.counter('http.test.fault.response_rl_injected')).toBe(1);
    expect(active(made)).toBe(0);
    expect(made.time.wheel.armedCount).toBe(0);
    expect((made.logged as { duration_ms: number }).duration_ms).toBeGreaterThan(180);
  });

  it('holds a bounded part of a body, and sends trailers last', () => {
    const made = rig(slow).request();
    const { last } = made.cluster;
    last.receiver.onHead(answer(200), false);
    last.receiver.onData(bytes(80 * 1024), false);
    expect(last.pauses).toBe(1);
    made.time.advance(4_500);
    expect(last.pauses).toBe(0);
    last.receiver.onTrailers(HeaderFields.of(['x-t', '1']));
    made.time.advance(2_000);
    expect(made.downstream.trailers!.get('x-t')).toBe('1');
    expect(made.downstream.body.length).toBe(80 * 1024);
  });

  it('outlasts the timeout of the route, whose upstream was quick, and ends with the caller', () => {
    const made = rig({ responseLimit: { kibPerSecond: 1, share: always } }).request();
    const { receiver } = made.cluster.last;
    receiver.onHead(answer(200), false);
    receiver.onData(bytes(20 * 1024), true);
    made.time.advance(16_000);
    expect(made.downstream.resetBy).toBe(null);
    expect(made.downstream.ended).toBe(false);
    made.stream.onReset(gone);
    expect(made.time.wheel.armedCount).toBe(0);
    expect(active(made)).toBe(0);
  });
});
