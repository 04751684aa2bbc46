/** Where the mesh's roots are written, when again, and what is left alone. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LeapingClock } from '../leaping-clock.test-data.ts';
import type { Call } from './api-client.ts';
import { ApiFault } from './api-fault.ts';
import { passTime } from './passing-time.test-data.ts';
import { RootPublisher } from './root-publisher.ts';

interface Namespace {
  readonly name: string;
  readonly ending?: boolean;
  readonly labels?: Record<string, string>;
}
interface ConfigMap {
  readonly namespace: string;
  readonly roots?: string;
  readonly labels?: Record<string, string>;
}

const ours = { 'app.kubernetes.io/managed-by': 'outrigger-control-plane' };
const namespacesPath = '/api/v1/namespaces';
const configMapsPath = '/api/v1/configmaps';

let clock: LeapingClock;
let calls: Call[];
let told: string[];
let namespaces: Namespace[];
let configMaps: ConfigMap[];
let answer: (call: Call) => void;
let pem: string;
let says: Map<string, (line: string) => void>;
let version: number;
let publisher: RootPublisher;

const namespaceObject = ({ name, ending = false, labels = {} }: Namespace): object => ({
  metadata: {
    ...{ name, labels, resourceVersion: String(++version) },
    ...(ending ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  },
});
const configMapObject = ({ namespace, roots, labels = ours }: ConfigMap): object => ({
  metadata: { namespace, name: 'outrigger-root', labels, resourceVersion: String(++version) },
  data: roots === undefined ? {} : { 'root.pem': roots },
});

beforeEach(() => {
  clock = new LeapingClock();
  calls = [];
  told = [];
  namespaces = [{ name: 'shop' }];
  configMaps = [];
  answer = () => {};
  pem = 'root 1';
  says = new Map();
  version = 10;
  publisher = new RootPublisher({
    client: {
      call: async (call) => {
        if (call.method === 'GET') {
          const isNamespaces = call.path.startsWith(`${namespacesPath}?`);
          const items = isNamespaces ? namespaces.map(namespaceObject) : configMaps.map(configMapObject);
          return { metadata: { resourceVersion: '7' }, items };
        }
        calls.push(call);
        answer(call);
        return {};
      },
      watch: (path, onLine, onOpen) => {
        onOpen();
        says.set(path.split('?')[0]!, onLine);
        return new Promise(() => {});
      },
    },
    roots: () => pem,
    leftOut: ['mesh'],
    after: (delayMs, callback) => clock.after(delayMs, callback),
    nowMs: () => clock.nowMs(),
    random: () => 0.5,
    tell: (line) => void told.push(line),
  });
});
afterEach(() => publisher.close());

const passes = (ms?: number): Promise<void> => passTime(clock, ms);
const say = (path: string, type: string, object: object): void => says.get(path)!(JSON.stringify({ type, object }));
const where = (): string[] => calls.splice(0).map(({ path }) => path.split('/')[4]!);
const asWritten = ({ path }: Call): void => {
  say(configMapsPath, 'MODIFIED', configMapObject({ namespace: path.split('/')[4]!, roots: pem }));
};

test('every namespace that injection may act in gets the ConfigMap, by server-side apply; none that ends, says no, or is of Kubernetes, of ours or of the control plane', async () => {
  namespaces.push(
    ...['kube-system', 'kube-public', 'kube-node-lease', 'outrigger-system', 'mesh'].map((name) => ({ name })),
    { name: 'going', ending: true },
    { name: 'off', labels: { 'outrigger.dev/inject': 'disabled' } },
    { name: 'on', labels: { 'outrigger.dev/inject': 'enabled' } },
  );
  publisher.start();
  await passes();
  expect(calls[0]).toEqual({
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/configmaps/outrigger-root?fieldManager=outrigger-control-plane&force=false',
    contentType: 'application/apply-patch+yaml',
    body: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'outrigger-root', namespace: 'shop', labels: ours },
      data: { 'root.pem': 'root 1' },
    },
  });
  expect(where()).toEqual(['shop', 'on']);
  await passes(5_000);
  expect(calls).toEqual([]);
});

test('a new namespace gets it within a second, one that was made anew again, and one that wants sidecars from now on', async () => {
  namespaces.push({ name: 'later', labels: { 'outrigger.dev/inject': 'disabled' } });
  answer = asWritten;
  publisher.start();
  await passes();
  where();
  say(namespacesPath, 'ADDED', namespaceObject({ name: 'new' }));
  await passes();
  expect(where()).toEqual(['new']);
  say(namespacesPath, 'DELETED', namespaceObject({ name: 'new' }));
  say(configMapsPath, 'DELETED', configMapObject({ namespace: 'new' }));
  say(namespacesPath, 'ADDED', namespaceObject({ name: 'new' }));
  await passes();
  expect(where()).toEqual(['new']);
  say(namespacesPath, 'MODIFIED', namespaceObject({ name: 'later', labels: { 'outrigger.dev/inject': 'enabled' } }));
  await passes();
  expect(where()).toEqual(['later']);
});

test('one of ours that somebody changes or deletes is made true again, over what others wrote, unless it has changed meanwhile', async () => {
  configMaps = [{ namespace: 'shop', roots: 'root 1' }];
  answer = asWritten;
  publisher.start();
  await passes();
  expect(calls).toEqual([]);
  say(configMapsPath, 'MODIFIED', configMapObject({ namespace: 'shop', roots: 'forged' }));
  await passes();
  expect(calls[0]!.path).toContain('force=true');
  expect(calls[0]!.body).toMatchObject({
    metadata: { resourceVersion: String(version - 1) },
    data: { 'root.pem': 'root 1' },
  });
  where();
  say(configMapsPath, 'DELETED', configMapObject({ namespace: 'shop' }));
  await passes();
  expect(where()).toEqual(['shop']);
});

test('one of that name that is not ours is left alone, and told once; not a word where it says the same', async () => {
  namespaces.push({ name: 'same' });
  configMaps = [
    { namespace: 'shop', roots: 'theirs', labels: {} },
    { namespace: 'same', roots: 'root 1', labels: {} },
  ];
  publisher.start();
  await passes();
  await passes(30_000);
  expect(calls).toEqual([]);
  expect(told).toEqual([expect.stringMatching(/^ConfigMap shop\/outrigger-root is not ours, so it is left as it is/)]);
  say(configMapsPath, 'DELETED', configMapObject({ namespace: 'shop', labels: {} }));
  await passes();
  expect(where()).toEqual(['shop']);
});

test('roots that change are written everywhere, 50 a second at most, and a new namespace does not wait for that', async () => {
  namespaces = Array.from({ length: 100 }, (_, at) => ({ name: `n${at}` }));
  configMaps = namespaces.map(({ name }) => ({ namespace: name, roots: 'root 1' }));
  answer = asWritten;
  publisher.start();
  await passes();
  pem = 'root 1 and 2';
  publisher.changed();
  await passes(60);
  expect(where()).toHaveLength(25);
  say(namespacesPath, 'ADDED', namespaceObject({ name: 'new' }));
  await passes(700);
  const next = where();
  expect(next[0]).toEqual('new');
  expect(next).toHaveLength(25);
  for (let turn = 0; turn < 4; turn++) await passes(700);
  expect(where()).toHaveLength(51);
  await passes(11_000);
  expect(calls).toEqual([]);
});

test('403 names the rule, once, and it is tried again; a namespace that is being taken away is not worth a word', async () => {
  namespaces.push({ name: 'going' });
  answer = ({ path }) => {
    throw new ApiFault(403, 'Forbidden', path.includes('/going/') ? 'because it is being terminated' : 'no');
  };
  publisher.start();
  for (let turn = 0; turn < 3; turn++) await passes(11_000);
  expect(told).toEqual([expect.stringContaining('resources: ["configmaps"], verbs: [create, patch]')]);
  answer = () => {};
  where();
  await passes(11_000);
  expect(where()).toContain('shop');
});

test('one that does not lead any more writes nothing', async () => {
  publisher.start();
  publisher.stop();
  pem = 'another';
  publisher.changed();
  await passes(11_000);
  expect(calls).toEqual([]);
});
