/** What is written into the status of routes and policies, how often, and what is left alone. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PeerAuthenticationResource } from '../../config-kind/policy-resource.ts';
import { ModelBuilder } from '../../model/model-builder.ts';
import type { ProxyNode } from '../../translate/proxy-node.ts';
import { LeapingClock } from '../leaping-clock.test-data.ts';
import type { Call } from './api-client.ts';
import { ApiFault } from './api-fault.ts';
import { type Condition, warningsByResource } from './conditions.ts';
import { type KeptDocument, keepDocument } from './kept-document.ts';
import { keepService } from './kept-service.ts';
import { MeshDocuments } from './mesh-documents.ts';
import type { Refusal } from './refusals.ts';
import { StatusWriter } from './status-writer.ts';

const gateway = 'gateway.networking.k8s.io/v1';
const own = 'outrigger.dev/v1';

let clock: LeapingClock;
let documents: MeshDocuments;
let calls: Call[];
let refusals: Refusal[];
let told: string[];
let answer: (call: Call) => unknown;
let writer: StatusWriter;
const kept = new Map<string, Map<string, KeptDocument>>();

beforeEach(() => {
  clock = new LeapingClock({ still: true });
  documents = new MeshDocuments();
  calls = [];
  refusals = [];
  told = [];
  answer = () => ({});
  kept.clear();
  const builder = new ModelBuilder();
  const service = keepService({ metadata: { namespace: 'shop', name: 'orders' }, spec: { ports: [{ port: 80 }] } })
    .resource!;
  writer = new StatusWriter({
    call: async (call) => {
      calls.push(call);
      return answer(call);
    },
    documents: () => documents.all,
    context: () => {
      const model = builder.build({ resources: [service, ...documents.resources], instances: [] });
      return { warnings: warningsByResource(model.warnings), policies: model.policies, refusals };
    },
    after: (delayMs, callback) => clock.after(delayMs, callback),
    nowMs: () => clock.nowMs(),
    wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 5),
    tell: (line) => void told.push(line),
  });
});
afterEach(() => writer.stop());

let version = 0;

function put(
  apiVersion: string,
  kind: string,
  name: string,
  spec: object,
  more: { generation?: number; status?: unknown } = {},
): KeptDocument {
  const object = {
    metadata: {
      namespace: 'shop',
      name,
      uid: name,
      generation: more.generation ?? 1,
      resourceVersion: String(++version),
    },
    spec,
    status: more.status,
  };
  const document = keepDocument(object, apiVersion, kind)!;
  const items = kept.get(kind) ?? new Map<string, KeptDocument>();
  kept.set(kind, items);
  items.set(document.key, document);
  documents.onChange(kind, items, new Set([document.key]));
  return document;
}

const toOrders = { group: '', kind: 'Service', name: 'orders' };
const route = (backend: string, parents: readonly object[] = [toOrders]): object => ({
  parentRefs: parents,
  rules: [{ backendRefs: [{ name: backend, port: 80 }] }],
});

async function looks(ms = 2_100): Promise<void> {
  clock.leap(ms);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

const conditions = (call: Call): Condition[] => {
  const { status } = call.body as {
    status: { conditions?: Condition[]; parents?: Array<{ conditions: Condition[] }> };
  };
  return status.conditions ?? status.parents!.at(-1)!.conditions;
};
const short = (call: Call): string[] =>
  conditions(call).map(({ type, status, reason }) => `${type}=${status} ${reason}`);

test('a route gets Accepted, ResolvedRefs and Programmed, with the generation that was seen, and nothing more when it says so', async () => {
  const { version } = put(gateway, 'HTTPRoute', 'a', route('orders'), { generation: 3 });
  writer.start();
  await looks();
  expect(calls).toMatchObject([
    {
      method: 'PATCH',
      path: '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/a/status',
      body: {
        metadata: { resourceVersion: version },
        status: {
          parents: [
            {
              parentRef: toOrders,
              controllerName: 'outrigger.dev/controller',
              conditions: [{ observedGeneration: 3, lastTransitionTime: '2026-01-02T03:04:05Z' }, {}, {}],
            },
          ],
        },
      },
    },
  ]);
  expect(short(calls[0]!)).toEqual([
    'Accepted=True Accepted',
    'ResolvedRefs=True ResolvedRefs',
    'Programmed=True Programmed',
  ]);
  // Until the watch brings what was written.
  await looks();
  put(gateway, 'HTTPRoute', 'a', route('orders'), {
    generation: 3,
    status: (calls[0]!.body as { status: unknown }).status,
  });
  await looks();
  expect(calls).toHaveLength(1);
});

test('parents of other controllers, and Gateways, stay as they are; a time changes only with its status', async () => {
  const theirs = { parentRef: { name: 'gateway' }, controllerName: 'example.test/other', conditions: [] };
  const before = {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: 'old words',
    observedGeneration: 1,
    lastTransitionTime: '2020-01-01T00:00:00Z',
  };
  put(gateway, 'HTTPRoute', 'a', route('nobody', [{ name: 'gateway' }, toOrders]), {
    status: {
      parents: [theirs, { parentRef: toOrders, controllerName: 'outrigger.dev/controller', conditions: [before] }],
    },
  });
  writer.start();
  await looks();
  const { parents } = (
    calls[0]!.body as { status: { parents: Array<{ conditions: Array<Condition & { lastTransitionTime: string }> }> } }
  ).status;
  expect(parents[0]).toEqual(theirs);
  expect(parents).toHaveLength(2);
  expect(parents[1]!.conditions[0]).toMatchObject({ type: 'Accepted', lastTransitionTime: '2020-01-01T00:00:00Z' });
  expect(short(calls[0]!)).toContain('ResolvedRefs=False BackendNotFound');
});

test('a parent that is not there', async () => {
  put(gateway, 'GRPCRoute', 'a', {
    parentRefs: [{ ...toOrders, name: 'nobody' }],
    rules: [{ backendRefs: [{ name: 'orders', port: 80 }] }],
  });
  writer.start();
  await looks();
  expect(conditions(calls[0]!)[0]).toMatchObject({
    status: 'False',
    reason: 'NoMatchingParent',
    message: expect.stringContaining('there is no Service shop/nobody'),
  });
});

test('a route of Gateways alone is none of our business', () => {
  expect(
    keepDocument(
      { metadata: { namespace: 'shop', name: 'a' }, spec: { parentRefs: [{ name: 'gateway' }] } },
      gateway,
      'HTTPRoute',
    ),
  ).toBeNull();
});

test('a faulty policy: what it said before stays in force, and both are said', async () => {
  put(own, 'PeerAuthentication', 'p', { mtls: { mode: 'STRICT' } });
  put(own, 'PeerAuthentication', 'p', { mtls: { mode: 'MAYBE' } }, { generation: 2 });
  expect((documents.resources[0] as PeerAuthenticationResource).mode).toBe('STRICT');
  expect(documents.faults[0]!.meanwhile).toBe('what it said before (generation 1) stays in force');
  writer.start();
  await looks();
  expect(conditions(calls[0]!)).toMatchObject([
    {
      type: 'Accepted',
      status: 'False',
      reason: 'Invalid',
      message: expect.stringMatching(/MAYBE.*Meanwhile what it said before \(generation 1\) stays in force/),
    },
    { type: 'Programmed', status: 'True', message: 'proxies have generation 1' },
  ]);
});

test('one of the same name that was made anew and is faulty inherits nothing', () => {
  put(own, 'PeerAuthentication', 'p', { mtls: { mode: 'STRICT' } });
  const items = kept.get('PeerAuthentication')!;
  const object = {
    metadata: { namespace: 'shop', name: 'p', uid: 'another', generation: 1, resourceVersion: '9' },
    spec: {},
  };
  items.set('shop/p', keepDocument({ ...object, spec: { mtls: { mode: 'MAYBE' } } }, own, 'PeerAuthentication')!);
  documents.onChange('PeerAuthentication', items, new Set(['shop/p']));
  expect(documents.resources).toEqual([]);
});

test('a proxy that refuses makes Programmed false, with its words, and true again', async () => {
  const proxy = { id: 'orders-1', namespace: 'shop', service: 'orders', labels: {} } as unknown as ProxyNode;
  refusals = [{ proxy, type: 'inbound listener', resource: 'inbound', text: 'no such filter' }];
  put(own, 'PeerAuthentication', 'p', { mtls: { mode: 'STRICT' } });
  writer.start();
  await looks();
  expect(conditions(calls[0]!)[1]).toMatchObject({
    status: 'False',
    reason: 'Refused',
    message: 'orders-1 refused it: no such filter',
  });
  refusals = [];
  put(
    own,
    'PeerAuthentication',
    'p',
    { mtls: { mode: 'STRICT' } },
    { status: (calls[0]!.body as { status: unknown }).status },
  );
  await looks();
  expect(short(calls[1]!)).toEqual(['Accepted=True Accepted', 'Programmed=True Programmed']);
});

test('writes at most fifty in ten seconds, and goes on with the others then', async () => {
  for (let at = 0; at < 120; at++)
    put(own, 'PeerAuthentication', `p${at}`, {
      targetRefs: [{ kind: 'Service', name: 'orders' }],
      mtls: { mode: 'STRICT' },
    });
  writer.start();
  for (let turn = 0; turn < 10; turn++) await looks(500);
  expect(calls).toHaveLength(50);
  for (let turn = 0; turn < 40; turn++) await looks(500);
  expect(calls).toHaveLength(120);
});

test('403 names the rule, once; the object is tried again later', async () => {
  answer = () => {
    throw new ApiFault(403, 'Forbidden', 'no');
  };
  put(own, 'PeerAuthentication', 'p', { mtls: { mode: 'STRICT' } });
  writer.start();
  for (let turn = 0; turn < 20; turn++) await looks();
  expect(told).toEqual([expect.stringContaining('resources: ["peerauthentications/status"], verbs: [patch]')]);
  expect(calls.length).toBeGreaterThan(1);
  expect(calls.length).toBeLessThan(5);
});

test('one that does not lead writes nothing', async () => {
  put(own, 'PeerAuthentication', 'p', { mtls: { mode: 'STRICT' } });
  writer.start();
  writer.stop();
  writer.wake();
  await looks();
  expect(calls).toEqual([]);
});
