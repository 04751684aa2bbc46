/** The source as a whole, over an API server in this process: when it is ready, and what it says of one that goes away. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LeapingClock } from '../leaping-clock.test-data.ts';
import { ApiClient } from './api-client.ts';
import { answerStatus, FakeApiServer } from './fake-api-server.test-data.ts';
import { KubernetesSource } from './kubernetes-source.ts';
import { documentKinds } from './watched-kinds.ts';

/** Those of Services, EndpointSlices and Pods beside documents. */
const watches = documentKinds.length + 3;

/** Patient: the machine may be busy. */
const poll = <T>(look: () => T) => expect.poll(look, { timeout: 15_000, interval: 5 });

let dataDir: string;
let api: FakeApiServer;
let client: ApiClient;
let clock: LeapingClock;
let source: KubernetesSource;
let changes: number;
let lines: string[];

beforeEach(async () => {
  api = await FakeApiServer.start();
  client = new ApiClient(api.address);
  clock = new LeapingClock();
  changes = 0;
  lines = [];
  dataDir = mkdtempSync(join(tmpdir(), 'outrigger-kubernetes-source-'));
  source = newSource();
  api.put('/api/v1/services', { metadata: { namespace: 'shop', name: 'orders' }, spec: { ports: [{ port: 80 }] } });
});
afterEach(async () => {
  source.close();
  client.close();
  await api.stop();
  rmSync(dataDir, { recursive: true });
});

function newSource(): KubernetesSource {
  return new KubernetesSource({
    client,
    dataDir,
    url: api.address.url,
    trustDomain: 'cluster.local',
    clock,
    random: () => 0.5,
    log: pino(
      { base: null, timestamp: false, messageKey: 'message' },
      { write: (line) => void lines.push((JSON.parse(line) as { message: string }).message) },
    ),
    onChange: () => void changes++,
  });
}

const names = (): string[] => source.state.resources.map(({ name }) => name);
const moving = (condition: () => unknown, stepMs = 300): Promise<void> =>
  poll(() => {
    clock.leap(stepMs);
    return condition();
  }).toBeTruthy();

test('nothing is told before everything was listed once; a rule that is missing is named meanwhile', async () => {
  api.fault = (_, url, response) => {
    if (!url.pathname.endsWith('/endpointslices')) return false;
    answerStatus(response, 403, 'Forbidden', 'no');
    return true;
  };
  source.start();
  await moving(() => lines.length > 0 && api.watching === watches - 1);
  expect([source.ready, changes]).toEqual([false, 0]);
  expect(lines).toEqual([
    expect.stringMatching(
      /apiGroups: \["discovery.k8s.io"\], resources: \["endpointslices"\].*nobody is served before they were listed once/,
    ),
  ]);
  api.fault = null;
  await moving(() => source.ready);
  expect([names(), changes]).toEqual([['orders'], 1]);
  expect(lines[1]).toBe('the API server lets us watch endpointslices.discovery.k8s.io (again)');
});

test('an API server that goes away is told once, with all of its watches, and once when it is there again; what it said stays', async () => {
  source.start();
  await moving(() => source.ready);
  await api.stop();
  await moving(() => lines.length > 0);
  for (let turn = 0; turn < 20; turn++) {
    clock.leap(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(lines).toEqual([
    expect.stringMatching(/does not answer as it should.*what it said last stays in force; trying again/),
  ]);
  expect(names()).toEqual(['orders']);
  expect(source.apiFaults).toHaveLength(1);
  await api.restart();
  api.put('/api/v1/services', { metadata: { namespace: 'shop', name: 'payments' }, spec: { ports: [{ port: 80 }] } });
  // The longest wait is half a minute; once one watch has heard from it, the others do not wait so long.
  await moving(() => names().length === 2, 3_000);
  await moving(() => lines.length === 2 && source.apiFaults.length === 0, 100);
  expect(lines[1]).toBe(`the API server at ${api.address.url} is there again`);
});

/** As kube-apiserver does before it has read its roles; `isOver` says when it has. */
const refuseUntil = (isOver: () => boolean): void => {
  api.fault = (_, url, response) => {
    if (isOver()) return false;
    answerStatus(response, 403, 'Forbidden', `cannot list ${url.pathname}`);
    return true;
  };
};

test('an API server that starts refuses everybody until it has read its roles: a part of the outage, without a word', async () => {
  source.start();
  await moving(() => source.ready);
  await api.stop();
  await moving(() => lines.length > 0);
  let refusals = 0;
  refuseUntil(() => refusals++ > watches);
  await api.restart();
  await moving(() => source.apiFaults.length === 0);
  expect(lines).toEqual([
    expect.stringContaining('does not answer as it should'),
    expect.stringContaining('is there again'),
  ]);
});

test('one that still refuses ten seconds after an outage is told so, once a kind', async () => {
  source.start();
  await moving(() => source.ready);
  await api.stop();
  await moving(() => lines.length > 0);
  refuseUntil(() => false);
  await api.restart();
  await moving(() => lines.length === watches + 2);
  await moving(() => clock.nowMs() > 1_000_000, 5_000);
  expect(lines.filter((line) => line.includes('does not let us'))).toHaveLength(watches);
  expect(lines.filter((line) => line.includes('is there again'))).toHaveLength(1);
  expect(lines).toHaveLength(watches + 2);
  expect(names()).toEqual(['orders']);
});

test('changes that come close together are told once', async () => {
  source.start();
  await moving(() => source.ready && api.watching === watches);
  const before = changes;
  for (let at = 0; at < 50; at++)
    api.put('/api/v1/services', { metadata: { namespace: 'shop', name: `s${at}` }, spec: { ports: [{ port: 80 }] } });
  await moving(() => names().length === 51);
  expect(changes - before).toBeLessThan(10);
});

test('a faulty object is refused alone', async () => {
  const routes = '/apis/outrigger.dev/v1/peerauthentications';
  api.put(routes, { metadata: { namespace: 'shop', name: 'bad' }, spec: { mtls: { mode: 'MAYBE' } } });
  api.put(routes, {
    metadata: { namespace: 'shop', name: 'good' },
    spec: { mtls: { mode: 'STRICT' }, selector: { matchLabels: { a: 'b' } } },
  });
  source.start();
  await moving(() => source.ready);
  expect(names()).toEqual(['orders', 'good']);
  expect(source.state.faults).toMatchObject([
    {
      file: 'Kubernetes',
      message: expect.stringMatching(/^PeerAuthentication shop\/bad: spec.mtls.mode: "MAYBE"/),
      meanwhile: 'nothing of it is in force',
    },
  ]);
});

describe('a policy that is faulty when the control plane starts', () => {
  const collection = '/apis/outrigger.dev/v1/authorizationpolicies';
  const put = (action: string, generation: number, uid = 'u1'): void =>
    void api.put(collection, {
      metadata: { namespace: 'shop', name: 'no-pay', uid, generation },
      spec: { action, rules: [{ to: [{ operation: { paths: ['/pay'] } }] }] },
    });
  const policy = (): unknown => source.state.resources.find(({ name }) => name === 'no-pay');
  const restart = async (): Promise<void> => {
    source.close();
    client.close();
    client = new ApiClient(api.address);
    source = newSource();
    source.start();
    await moving(() => source.ready);
  };

  beforeEach(async () => {
    put('DENY', 1);
    source.start();
    await moving(() => source.ready);
    expect(policy()).toMatchObject({ action: 'DENY' });
  });

  test('stays in force as it was before, also over more starts, until it is mended', async () => {
    source.close();
    put('DNEY', 2);
    for (let start = 0; start < 2; start++) {
      await restart();
      expect(policy()).toMatchObject({ action: 'DENY' });
      expect(source.state.faults).toEqual([
        expect.objectContaining({
          message: expect.stringContaining('AuthorizationPolicy shop/no-pay: spec.action'),
          meanwhile: 'what it said before (generation 1) stays in force',
        }),
      ]);
    }
    put('ALLOW', 3);
    await moving(() => source.state.faults.length === 0);
    expect(policy()).toMatchObject({ action: 'ALLOW' });
  });

  test('is not the one of the same name that was made anew, nor one that was deleted', async () => {
    source.close();
    put('DNEY', 1, 'u2');
    await restart();
    expect(policy()).toBeUndefined();
    expect(source.state.faults[0]).toMatchObject({ meanwhile: 'nothing of it is in force' });
    put('DENY', 2, 'u2');
    await moving(() => policy() !== undefined);
    api.remove(collection, 'shop', 'no-pay');
    await moving(() => policy() === undefined);
    put('DNEY', 1, 'u2');
    await restart();
    expect(policy()).toBeUndefined();
  });

  test('what was kept and cannot be read is told, and a change is written a second later, for a crash', async () => {
    const file = join(dataDir, 'last-good-kubernetes.json');
    await moving(() => readFileSync(file, 'utf8').includes('no-pay'));
    source.close();
    writeFileSync(file, '{');
    await restart();
    expect(lines.join()).toContain(`cannot use ${file}`);
    expect(policy()).toMatchObject({ action: 'DENY' });
  });
});
