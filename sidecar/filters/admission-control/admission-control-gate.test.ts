import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RequestHead } from '../../codec/message-head.ts';
import type { AdmissionControlConfig } from '../../config/admission-control-config.ts';
import { ActiveStream } from '../../connection-manager/active-stream.ts';
import { FakeServerStream } from '../../connection-manager/test/fake-peers.ts';
import { answer, get, grpcCall, StreamRig } from '../../connection-manager/test/stream-rig.ts';
import { AdmissionControlGate } from './admission-control-gate.ts';
import { SuccessWindow } from './success-window.ts';

function rig(overrides: Partial<AdmissionControlConfig> = {}): StreamRig {
  const made = new StreamRig();
  const config: AdmissionControlConfig = {
    kind: 'admission-control',
    filterName: 'ac',
    enabled: true,
    windowMs: 30_000,
    aggression: 1,
    successThreshold: 0.95,
    requestsPerSecondThreshold: 0,
    maxRejection: 0.8,
    httpSuccess: [{ start: 100, end: 500 }],
    grpcSuccess: [0, 5],
    ...overrides,
  };
  Object.assign(made.manager, { gates: [new AdmissionControlGate(config, 'test', made.context)] });
  return made;
}

/** True: it reached the service, which answered so. */
function ask(
  made: StreamRig,
  status: number,
  head: RequestHead = get('/'),
  ...fields: Array<[string, string]>
): boolean {
  const before = made.cluster.streams.length;
  const downstream = new FakeServerStream();
  new ActiveStream(made, downstream).onHead(head, true);
  if (made.cluster.streams.length === before) return false;
  made.cluster.last.receiver.onHead(answer(status, ...fields), true);
  return true;
}

it('refuses more the more fail, up to its most, and lets everything pass again when they succeed or are forgotten', () => {
  const made = rig();
  made.random = 0.79;
  for (let i = 0; i < 20; i++) ask(made, 503);
  expect(ask(made, 503)).toBe(false);
  expect(made.logged).toMatchObject({ flags: null });
  expect(JSON.parse(made.lines.at(-1)!)).toMatchObject({ status: 503, details: 'denied_by_admission_control' });
  made.random = 0.8;
  expect(ask(made, 503)).toBe(true);
  made.random = 0;
  const before = made.counter('http.test.admission_control.rq_rejected');
  expect(ask(made, 200)).toBe(false);
  expect(made.counter('http.test.admission_control.rq_rejected')).toBe(before + 1);
  made.time.advance(30_000);
  expect(ask(made, 200)).toBe(true);
});

it('leaves a service alone that succeeds often enough, or has few requests', () => {
  const good = rig();
  for (let i = 0; i < 96; i++) ask(good, i < 4 ? 200 : 404);
  for (let i = 0; i < 4; i++) ask(good, 500);
  expect(ask(good, 200)).toBe(true);
  const few = rig({ requestsPerSecondThreshold: 21 });
  for (let i = 0; i < 20; i++) ask(few, 503);
  expect(ask(few, 503)).toBe(true);
  expect(ask(few, 503)).toBe(false);
});

it('judges gRPC calls by their status', () => {
  const made = rig();
  const said = (status: string) =>
    ask(made, 200, grpcCall(), ['content-type', 'application/grpc'], ['grpc-status', status]);
  said('5');
  said('0');
  expect(made.counter('http.test.admission_control.rq_success')).toBe(2);
  said('14');
  expect(made.counter('http.test.admission_control.rq_failure')).toBe(1);
});

it('does nothing where it is not enabled', () => {
  const made = rig({ enabled: false });
  for (let i = 0; i < 5; i++) expect(ask(made, 503)).toBe(true);
});

it('a window counts what began in it, whatever comes when, from bounded memory', () => {
  const event = fc.record({ pauseMs: fc.integer({ min: 0, max: 2500 }), success: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const window = new SuccessWindow(5000);
      const all: Array<{ readonly atMs: number; readonly success: boolean }> = [];
      let nowMs = 0;
      for (const { pauseMs, success } of events) {
        nowMs += pauseMs;
        window.record(nowMs, success);
        all.push({ atMs: nowMs, success });
        const since = (ageMs: number, successes: boolean): number =>
          all.filter(({ atMs, success: good }) => nowMs - atMs < ageMs && (good || !successes)).length;
        // A second of what is old goes at once.
        expect(window.requests).toBeGreaterThanOrEqual(since(4000, false));
        expect(window.requests).toBeLessThanOrEqual(since(5000, false));
        expect(window.successes).toBeGreaterThanOrEqual(since(4000, true));
        expect(window.successes).toBeLessThanOrEqual(window.requests);
        expect(window.requestsPerSecond(nowMs)).toBeLessThanOrEqual(window.requests);
      }
    }),
  );
});
