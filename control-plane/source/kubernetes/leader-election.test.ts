/** Who of several control planes writes, over a Lease of an API server in this process. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LeapingClock } from '../leaping-clock.test-data.ts';
import { ApiClient } from './api-client.ts';
import { answerStatus, FakeApiServer } from './fake-api-server.test-data.ts';
import { LeaderElection } from './leader-election.ts';

const leases = '/apis/coordination.k8s.io/v1/leases';

/** Patient: the machine may be busy. */
const poll = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 5 });

let api: FakeApiServer;
let client: ApiClient;
let clock: LeapingClock;
let faults: unknown[];
/** Calls that the API server has not answered yet. */
let underWay: number;
const elections: LeaderElection[] = [];

beforeEach(async () => {
  api = await FakeApiServer.start();
  client = new ApiClient(api.address);
  clock = new LeapingClock();
  faults = [];
  underWay = 0;
});
afterEach(async () => {
  for (const each of elections.splice(0)) each.close();
  client.close();
  await api.stop();
});

function candidate(holder: string): LeaderElection {
  const election = new LeaderElection({
    call: (call) => {
      underWay += 1;
      return client.call(call).finally(() => void (underWay -= 1));
    },
    namespace: 'outrigger',
    name: 'outrigger-control-plane',
    holder,
    after: (delayMs, callback) => clock.after(delayMs, callback),
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    random: () => 0.5,
    onChange: () => {},
    onFault: (fault) => void faults.push(fault),
  });
  elections.push(election);
  election.start();
  return election;
}

const spec = (): Record<string, unknown> =>
  api.get(leases, 'outrigger', 'outrigger-control-plane')!['spec'] as Record<string, unknown>;
/** Lets turns happen until it is so. Time passes between calls, not while one is on its way: a slow machine must not spend the Lease. */
const eventually = (condition: () => boolean, stepMs = 2_300): Promise<void> =>
  poll(() => {
    if (underWay === 0) clock.leap(stepMs);
    return condition();
  }).toBe(true);

test('the first one makes the Lease, and renews it; the second follows', async () => {
  const one = candidate('one');
  await poll(() => one.leading).toBe(true);
  const two = candidate('two');
  const { renewTime } = spec();
  await eventually(() => spec()['renewTime'] !== renewTime);
  expect([two.leading, spec()['holderIdentity'], spec()['leaseTransitions']]).toEqual([false, 'one', 0]);
  expect(faults).toEqual([]);
});

test('one that falls silent is followed after the 15 s of the Lease, by our own clock, whatever times it wrote', async () => {
  api.put(leases, {
    metadata: { namespace: 'outrigger', name: 'outrigger-control-plane' },
    spec: {
      holderIdentity: 'dead',
      leaseDurationSeconds: 15,
      renewTime: '2001-01-01T00:00:00.000000Z',
      leaseTransitions: 4,
    },
  });
  const two = candidate('two');
  await poll(() => api.requests.length).toBeGreaterThan(0);
  const from = clock.nowMs();
  await eventually(() => two.leading, 1_000);
  expect(clock.nowMs() - from).toBeGreaterThan(14_000);
  expect(spec()).toMatchObject({ holderIdentity: 'two', leaseTransitions: 5 });
});

test('one that stops in order lets the next take it at once', async () => {
  const one = candidate('one');
  await poll(() => one.leading).toBe(true);
  const two = candidate('two');
  await one.release();
  const from = clock.nowMs();
  await eventually(() => two.leading, 500);
  expect(clock.nowMs() - from).toBeLessThan(10_000);
  expect(one.leading).toBe(false);
});

test('a leader that cannot renew for 10 s leads no more, before anybody else may take it', async () => {
  const one = candidate('one');
  await poll(() => one.leading).toBe(true);
  const from = clock.nowMs();
  api.fault = (_, _url, response) => {
    answerStatus(response, 500, 'InternalError', 'etcd is away');
    return true;
  };
  await eventually(() => !one.leading, 1_000);
  expect(clock.nowMs() - from).toBeLessThan(15_000);
  api.fault = null;
  await eventually(() => one.leading);
});

test('of two that take it at once, one has it', async () => {
  const both = [candidate('one'), candidate('two')];
  await poll(() => both.some(({ leading }) => leading)).toBe(true);
  const asked = api.requests.length;
  await eventually(() => api.requests.length > asked + 4);
  expect(both.filter(({ leading }) => leading)).toHaveLength(1);
  expect(faults).toEqual([]);
});

test('a leader whose renewal hangs leads no more after 10 s, although nothing has failed', async () => {
  const one = candidate('one');
  await poll(() => one.leading).toBe(true);
  const from = clock.nowMs();
  api.fault = () => true;
  await poll(() => {
    clock.leap(1_000);
    return one.leading;
  }).toBe(false);
  expect(clock.nowMs() - from).toBeLessThan(15_000);
  api.fault = null;
});
