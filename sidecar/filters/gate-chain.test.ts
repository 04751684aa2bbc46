import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { anyPath, forward, route } from '../connection-manager/test/configs.ts';
import { answer, bytes, get, grpcCall, post, StreamRig } from '../connection-manager/test/stream-rig.ts';
import type { GateRequest, GateVerdict, RequestGate } from './request-gate.ts';

const denied = new ProxyError({
  flag: 'RBAC',
  source: 'local',
  details: 'rbac_access_denied_matched_policy[none]',
  message: 'No.',
});
const gone = new ProxyError({
  flag: 'DC',
  source: 'downstream',
  details: 'downstream_remote_disconnect',
  message: 'Gone.',
});

const passes: RequestGate = { name: 'passes', answersAtOnce: true, check: () => null };
const denies: RequestGate = { name: 'denies', answersAtOnce: true, check: () => denied };

/** Says what it is told to, when it is told to. */
class SlowGate implements RequestGate {
  readonly name = 'slow';
  asked = 0;
  cancelled = 0;
  request: GateRequest | null = null;
  decide: ((verdict: GateVerdict) => void) | null = null;

  check(request: GateRequest, decide: (verdict: GateVerdict) => void): { cancel(): void } {
    this.asked++;
    this.request = request;
    this.decide = decide;
    return { cancel: () => this.cancelled++ };
  }
}

function ended(rig: StreamRig): void {
  expect(rig.ends).toBe(1);
  expect(rig.lines.length).toBe(1);
  expect(rig.time.wheel.armedCount).toBe(0);
  expect(rig.downstream.pauses).toBe(0);
  for (const stream of rig.cluster.streams) expect(stream.pauses).toBe(0);
}

test('a request that every gate lets pass goes on within the call', () => {
  const rig = new StreamRig({ gates: [passes, passes] }).request();
  expect(rig.cluster.last.log).toEqual(['head end']);
  rig.cluster.last.receiver.onHead(answer(200), true);
  ended(rig);
});

test('the first gate that denies ends the request: 403, its flag and details, and nothing upstream', () => {
  const slow = new SlowGate();
  const rig = new StreamRig({ gates: [passes, denies, slow] }).request();
  expect(rig.downstream.head!.status).toBe(403);
  expect(rig.cluster.streams.length).toBe(0);
  expect(slow.asked).toBe(0);
  expect(rig.logged).toMatchObject({ status: 403, flags: 'RBAC', details: 'rbac_access_denied_matched_policy[none]' });
  ended(rig);
});

test('a gRPC call that is denied gets PERMISSION_DENIED in a response that is only its head', () => {
  const rig = new StreamRig({ gates: [denies] }).request(grpcCall(), false);
  expect(rig.downstream.log).toEqual(['head end']);
  expect(rig.downstream.head!.fields.get('grpc-status')).toBe('7');
  ended(rig);
});

test('what no route takes is judged all the same (Envoy): denied before it is not found', () => {
  const rig = new StreamRig({ gates: [denies], routes: [] }).request();
  expect(rig.downstream.head!.status).toBe(403);
  const found = new StreamRig({ gates: [passes], routes: [] }).request();
  expect(found.downstream.head!.status).toBe(404);
});

test('holds body, end and trailers while a gate takes its time, and hands them on in order', () => {
  const slow = new SlowGate();
  const rig = new StreamRig({ gates: [slow, passes] }).request(post('/'), false);
  rig.stream.onData(bytes('abc'), false);
  rig.stream.onData(bytes('de'), false);
  rig.stream.onTrailers(HeaderFields.of(['x-sum', '5']));
  expect(rig.cluster.streams.length).toBe(0);
  slow.decide!(null);
  expect(rig.cluster.last.log).toEqual(['head', 'data 5', 'trailers']);
  rig.cluster.last.receiver.onHead(answer(200), true);
  expect(slow.cancelled).toBe(0);
  ended(rig);
});

test('a request without a body that waited goes on whole, and its time limits begin then', () => {
  const slow = new SlowGate();
  const rig = new StreamRig({
    gates: [slow],
    routes: [route('r', anyPath, forward('orders', { timeoutMs: 1000 }))],
  }).request();
  rig.time.advance(900);
  slow.decide!(null);
  expect(rig.cluster.last.log).toEqual(['head end']);
  rig.time.advance(900);
  expect(rig.ends).toBe(0);
  rig.time.advance(200);
  expect(rig.downstream.head!.status).toBe(504);
  ended(rig);
});

test('what gates want otherwise in the answer is done to it, whoever made it, in their order', () => {
  const adds = (value: string): RequestGate => ({
    name: 'adds',
    answersAtOnce: true,
    check: (request) => {
      request.changeResponse((fields) => fields.append(headerName('x-added'), value));
      return null;
    },
  });
  const gates = [adds('1'), adds('2')];
  const proxied = new StreamRig({ gates }).request();
  proxied.cluster.last.receiver.onHead(answer(200), true);
  const notFound = new StreamRig({ gates, routes: [] }).request();
  const refused = new StreamRig({ gates: [...gates, denies] }).request();
  for (const rig of [proxied, notFound, refused])
    expect(rig.downstream.head!.fields.getAll('x-added')).toEqual(['1', '2']);
});

test('holds no more than the buffer limit: past it the caller is not read', () => {
  const slow = new SlowGate();
  const rig = new StreamRig({ gates: [slow], bufferLimitBytes: 1000 }).request(post('/'), false);
  rig.stream.onData(bytes(600), false);
  expect(rig.downstream.pauses).toBe(0);
  rig.stream.onData(bytes(600), false);
  expect(rig.downstream.pauses).toBe(1);
  slow.decide!(null);
  expect(rig.downstream.pauses).toBe(0);
  expect(rig.cluster.last.body.length).toBe(1200);
  rig.stream.onData(bytes(0), true);
  rig.cluster.last.receiver.onHead(answer(200), true);
  ended(rig);
});

test('a late denial answers, and lets go of what was held', () => {
  const slow = new SlowGate();
  const rig = new StreamRig({ gates: [slow], bufferLimitBytes: 10 }).request(post('/'), false);
  rig.stream.onData(bytes(600), false);
  slow.decide!(denied);
  expect(rig.downstream.head!.status).toBe(403);
  expect(rig.cluster.streams.length).toBe(0);
  expect(slow.cancelled).toBe(0);
  ended(rig);
});

test('a caller that goes cancels the wait, and a verdict after that changes nothing', () => {
  const slow = new SlowGate();
  const rig = new StreamRig({ gates: [slow] }).request(post('/'), false);
  rig.stream.onReset(gone);
  expect(slow.cancelled).toBe(1);
  slow.decide!(null);
  slow.decide!(denied);
  expect(rig.cluster.streams.length).toBe(0);
  expect(rig.logged).toMatchObject({ status: 499, flags: 'DC' });
  ended(rig);
});

test('the limits of a stream hold while it waits: idle, whole duration', () => {
  const idle = new SlowGate();
  const rig = new StreamRig({ gates: [idle], config: { streamIdleTimeoutMs: 1000 } }).request(post('/'), false);
  rig.time.advance(1100);
  expect(rig.logged).toMatchObject({ flags: 'SI' });
  expect(idle.cancelled).toBe(1);
  ended(rig);
  const long = new SlowGate();
  const other = new StreamRig({ gates: [long], config: { maxStreamDurationMs: 500, streamIdleTimeoutMs: 0 } });
  other.request();
  other.time.advance(600);
  expect(other.ends).toBe(1);
  expect(long.cancelled).toBe(1);
  ended(other);
});

test('a gate sees what those before it found out', () => {
  const finds: RequestGate = {
    name: 'finds',
    check(request) {
      (request.metadata ??= new Map<string, unknown>()).set('a', { sub: 'x' });
      return null;
    },
  };
  const slow = new SlowGate();
  new StreamRig({ gates: [finds, slow] }).request(get('/x'));
  expect(slow.request!.metadata!.get('a')).toEqual({ sub: 'x' });
  expect(slow.request!.route!.name).toBe('shop/orders#rule-0');
});

type Step = 'data' | 'end' | 'trailers' | 'reset' | 'pass' | 'deny' | 'pass-second' | 'time' | 'answer' | 'up-reset';

test('any interleaving of data, end, trailers, reset, verdicts and time gives exactly one end, and what went upstream is what came', () => {
  const steps = fc.constantFrom<Step>(
    'data',
    'data',
    'end',
    'trailers',
    'reset',
    'pass',
    'deny',
    'pass-second',
    'time',
    'answer',
    'up-reset',
  );
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 25 }), fc.boolean(), fc.boolean(), (all, missing, connectsAtOnce) => {
      const first = new SlowGate();
      const second = new SlowGate();
      const rig = new StreamRig({
        gates: [passes, first, passes, second],
        routes: [route('r', anyPath, forward(missing ? 'missing' : 'orders', { timeoutMs: 2500 }))],
        config: { streamIdleTimeoutMs: 3000, maxStreamDurationMs: 9000 },
        bufferLimitBytes: 1500,
      });
      rig.cluster.connectsAtOnce = connectsAtOnce;
      rig.request(post('/'), false);
      let requestEnded = false;
      let sent = 0;
      let answered = false;
      for (const step of all) {
        const live = rig.ends === 0;
        if (step === 'pass') first.decide!(null);
        else if (step === 'deny') (second.decide ?? first.decide)!(denied);
        else if (step === 'pass-second') second.decide?.(null);
        else if (step === 'time') rig.time.advance(700);
        else if (step === 'reset' && live) rig.stream.onReset(gone);
        else if (step === 'data' && live && !requestEnded) {
          sent += 1000;
          rig.stream.onData(bytes(1000), false);
        } else if ((step === 'end' || step === 'trailers') && live && !requestEnded) {
          requestEnded = true;
          if (step === 'end') rig.stream.onData(bytes(0), true);
          else rig.stream.onTrailers(HeaderFields.of(['x-sum', '1']));
        } else if ((step === 'answer' || step === 'up-reset') && live && rig.cluster.streams.length > 0 && !answered) {
          answered = true;
          if (step === 'answer') rig.cluster.last.receiver.onHead(answer(200), true);
          else rig.cluster.last.receiver.onReset(new ProxyError({ ...gone, flag: 'UC', source: 'upstream' }));
        }
        if (!connectsAtOnce && rig.cluster.waiting.length > 0 && step === 'time') rig.cluster.connect();
        for (const stream of rig.cluster.streams) expect(stream.body.length).toBeLessThanOrEqual(sent);
      }
      if (rig.ends === 0 && rig.cluster.streams.length > 0 && !answered) {
        expect(rig.cluster.last.body.length).toBe(sent);
        expect(rig.downstream.pauses).toBe(0);
      }
      if (rig.ends === 0) rig.stream.onReset(gone);
      first.decide!(null);
      second.decide?.(denied);
      expect(first.cancelled + second.cancelled).toBeLessThanOrEqual(1);
      ended(rig);
    }),
    { numRuns: 2000 },
  );
});
