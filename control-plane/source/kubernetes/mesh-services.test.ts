/** Services, EndpointSlices and Pods, as Kubernetes writes them, and what the mesh makes of them. */
import { beforeEach, expect, test } from 'vitest';
import type { RegisteredInstance } from '../../model/registered-instance.ts';
import { type KeptEndpointSlice, keepEndpointSlice } from './kept-endpoint-slice.ts';
import { type KeptPod, keepPod } from './kept-pod.ts';
import { type KeptService, keepService } from './kept-service.ts';
import { MeshServices } from './mesh-services.ts';

let services: Map<string, KeptService>;
let slices: Map<string, KeptEndpointSlice>;
let pods: Map<string, KeptPod>;
let mesh: MeshServices;
let version = 0;

beforeEach(() => {
  services = new Map();
  slices = new Map();
  pods = new Map();
  mesh = new MeshServices({
    services: () => services,
    slices: () => slices,
    pods: () => pods,
    trustDomain: 'cluster.local',
  });
});

const meta = (name: string, more: object = {}): object => ({
  namespace: 'shop',
  name,
  resourceVersion: String(++version),
  ...more,
});

function putService(name: string, spec: object, metadata: object = {}): void {
  const kept = keepService({ metadata: meta(name, metadata), spec });
  services.set(kept.key, kept);
  mesh.onServices(new Set([kept.key]));
}

function putPod(
  name: string,
  labels: object,
  account: string,
  options: {
    sidecar?: boolean;
    uid?: string;
    owner?: object;
    args?: readonly string[];
    rules?: readonly string[];
  } = {},
): void {
  const containers = [
    { name: 'app' },
    ...(options.rules === undefined
      ? []
      : [{ name: 'outrigger-init', args: ['intercept', 'install', ...options.rules] }]),
    ...(options.sidecar === false ? [] : [{ name: 'outrigger-sidecar', args: options.args ?? [] }]),
  ];
  const owners = options.owner === undefined ? {} : { ownerReferences: [{ ...options.owner, controller: true }] };
  const kept = keepPod({
    metadata: meta(name, { labels, uid: options.uid ?? `uid-${name}`, ...owners }),
    spec: { serviceAccountName: account, initContainers: containers.slice(1), containers: containers.slice(0, 1) },
  });
  pods.set(kept.key, kept);
  mesh.onPods(new Set([kept.key]));
}

function dropPod(name: string): void {
  pods.delete(`shop/${name}`);
  mesh.onPods(new Set([`shop/${name}`]));
}

interface WrittenEndpoint {
  readonly address: string;
  readonly pod?: string;
  readonly uid?: string;
  readonly [field: string]: unknown;
}

function putSlice(
  name: string,
  service: string,
  endpoints: readonly WrittenEndpoint[],
  more: { readonly addressType?: string; readonly ports?: readonly object[] } = {},
): void {
  const kept = keepEndpointSlice({
    metadata: meta(name, { labels: { 'kubernetes.io/service-name': service } }),
    addressType: more.addressType ?? 'IPv4',
    ports: more.ports ?? [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: endpoints.map(({ address, pod, uid, ...rest }) => ({
      addresses: [address],
      ...rest,
      ...(pod === undefined ? {} : { targetRef: { kind: 'Pod', name: pod, uid: uid ?? `uid-${pod}` } }),
    })),
  })!;
  slices.set(kept.key, kept);
  mesh.onSlices(new Set([kept.key]));
}

const httpPort = { name: 'http', port: 80, targetPort: 'web' };
const addresses = (): string[] => mesh.instances.map(({ address, port }) => `${address}:${port}`);
const first = (): RegisteredInstance => mesh.instances[0]!;
const accounts = (): readonly string[] => mesh.resources[0]!.serviceAccounts;

test('a Pod with a sidecar is an instance with the identity of its service account; one without has none', () => {
  putService('orders', { selector: { app: 'orders' }, ports: [httpPort] });
  putPod('a', { app: 'orders', version: 'v1' }, 'runner');
  putPod('b', { app: 'orders' }, 'runner', { sidecar: false });
  putSlice('orders-1', 'orders', [
    { address: '10.1.0.1', pod: 'a', zone: 'z1' },
    { address: '10.1.0.2', pod: 'b' },
  ]);
  expect(mesh.make()).toBe(true);
  expect(mesh.instances).toMatchObject([
    {
      instanceId: 'a',
      address: '10.1.0.1',
      port: 8080,
      zone: 'z1',
      identity: 'spiffe://cluster.local/ns/shop/sa/runner',
      labels: { version: 'v1' },
      source: 'kubernetes',
    },
    { instanceId: 'b', address: '10.1.0.2', identity: '' },
  ]);
  expect(mesh.resources).toMatchObject([
    { name: 'orders', selector: null, serviceAccounts: ['runner'], ports: [{ port: 80, targetPort: 8080 }] },
  ]);
});

test('another Pod of the same name, as a StatefulSet makes it, lends nothing of itself', () => {
  putService('db', { ports: [httpPort] });
  putPod('db-0', {}, 'runner', { uid: 'new' });
  putSlice('db-1', 'db', [{ address: '10.1.0.1', pod: 'db-0', uid: 'old' }]);
  mesh.make();
  expect(first()).toMatchObject({ identity: '', labels: {} });
});

test('ready, serving, terminating: Pods that end drain, those that are not ready get nothing', () => {
  putService('orders', { ports: [httpPort] });
  putSlice('orders-1', 'orders', [
    { address: '10.1.0.1' },
    { address: '10.1.0.2', conditions: { ready: false, serving: true, terminating: true } },
    { address: '10.1.0.3', conditions: { ready: false, serving: false, terminating: true } },
    { address: '10.1.0.4', conditions: { ready: false } },
    { address: '10.1.0.5', conditions: { ready: null } },
  ]);
  mesh.make();
  expect(mesh.instances.map(({ address, draining }) => [address, draining])).toEqual([
    ['10.1.0.1', false],
    ['10.1.0.5', false],
    ['10.1.0.2', true],
  ]);
});

test('one that moves from slice to slice, and stands in both, counts as ready', () => {
  putService('orders', { ports: [httpPort] });
  putSlice('orders-1', 'orders', [
    { address: '10.1.0.1', conditions: { ready: false, serving: true, terminating: true } },
  ]);
  putSlice('orders-2', 'orders', [{ address: '10.1.0.1' }]);
  mesh.make();
  expect(first()).toMatchObject({ address: '10.1.0.1', draining: false });
});

test("while all that are there end, those that still serve get requests, as with Kubernetes' own proxy", () => {
  putService('orders', { ports: [httpPort] });
  putSlice('orders-1', 'orders', [
    { address: '10.1.0.2', conditions: { ready: false, serving: true, terminating: true } },
  ]);
  mesh.make();
  expect(mesh.instances).toMatchObject([{ address: '10.1.0.2', draining: false }]);
});

test('several slices and ports; UDP, ports of other names, host names and slices of nobody are left out', () => {
  putService('orders', {
    ports: [httpPort, { name: 'grpc', port: 90, appProtocol: 'grpc' }, { name: 'dns', port: 53, protocol: 'UDP' }],
  });
  const ports = [
    { name: 'http', port: 8080 },
    { name: 'grpc', port: 9090 },
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'old', port: 1 },
  ];
  putSlice('orders-1', 'orders', [{ address: '10.1.0.1' }], { ports });
  putSlice('orders-2', 'orders', [{ address: '10.1.0.2' }]);
  mesh.make();
  expect(mesh.resources[0]!.ports).toMatchObject([
    { port: 80, protocol: 'http' },
    { port: 90, protocol: 'grpc' },
  ]);
  expect(addresses()).toEqual(['10.1.0.1:8080', '10.1.0.1:9090', '10.1.0.2:8080']);
  expect(
    keepEndpointSlice({ metadata: meta('x', { labels: { 'kubernetes.io/service-name': 'a' } }), addressType: 'FQDN' }),
  ).toBeNull();
  expect(keepEndpointSlice({ metadata: meta('x'), addressType: 'IPv4' })).toBeNull();
});

test('a Pod of both families is there once: IPv6 counts where there is no IPv4', () => {
  putService('orders', { ports: [httpPort] });
  putSlice('orders-6', 'orders', [{ address: 'fd00::1', pod: 'a' }], { addressType: 'IPv6' });
  mesh.make();
  expect(addresses()).toEqual(['fd00::1:8080']);
  putSlice('orders-4', 'orders', [{ address: '10.1.0.1', pod: 'a' }]);
  mesh.make();
  expect(addresses()).toEqual(['10.1.0.1:8080']);
});

test('a hint for one zone goes before the zone of the node', () => {
  putService('orders', { ports: [httpPort] });
  putSlice('orders-1', 'orders', [
    { address: '10.1.0.1', zone: 'a', hints: { forZones: [{ name: 'b' }] } },
    { address: '10.1.0.2', zone: 'a', hints: { forZones: [{ name: 'b' }, { name: 'c' }] } },
  ]);
  mesh.make();
  expect(mesh.instances.map(({ zone }) => zone)).toEqual(['b', 'a']);
});

test('whom instances may be: what chosen Pods run as, before they are ready too, and of before when none is left; an annotation goes before', () => {
  putService('orders', { selector: { app: 'orders' }, ports: [httpPort] });
  mesh.make();
  expect(accounts()).toEqual(['orders']);
  putPod('b', { app: 'orders' }, 'runner');
  putPod('a', { app: 'orders' }, 'older');
  putPod('c', { app: 'other' }, 'stranger');
  mesh.make();
  expect(accounts()).toEqual(['older', 'runner']);
  dropPod('a');
  mesh.make();
  expect(accounts()).toEqual(['runner']);
  dropPod('b');
  mesh.make();
  expect(accounts()).toEqual(['runner']);
  putService(
    'orders',
    { selector: { app: 'orders' }, ports: [httpPort] },
    { annotations: { 'outrigger.dev/service-accounts': 'one, two' } },
  );
  mesh.make();
  expect(accounts()).toEqual(['one', 'two']);
});

test('a workload without a Service is known by its label, or by what it is of', () => {
  putPod('a', { 'outrigger.dev/service': 'mailer' }, 'mail');
  putPod('web-5d4f8c7b9-x2x4z', { 'pod-template-hash': '5d4f8c7b9' }, 'web', {
    owner: { kind: 'ReplicaSet', name: 'web-5d4f8c7b9' },
  });
  putPod('report-28912345-abcde', {}, 'reports', { owner: { kind: 'Job', name: 'report-28912345' } });
  putPod('lonely', {}, 'default');
  putPod('named-7', { 'app.kubernetes.io/name': 'named', app: 'other' }, 'named');
  expect(
    ['mailer', 'web', 'report', 'lonely', 'named', 'nobody'].map((name) => mesh.accountsOfWorkload('shop', name)),
  ).toEqual([['mail'], ['web'], ['reports'], ['default'], ['named'], []]);
});

test('what is no service of the mesh says why; what has no TCP port is left out without a word', () => {
  putService('external', { type: 'ExternalName', externalName: 'example.test' });
  putService('dns', { ports: [{ port: 53, protocol: 'UDP' }] });
  mesh.make();
  expect(mesh.resources).toEqual([]);
  expect([...services.values()].map(({ problem }) => problem)).toEqual([
    'is of type ExternalName, which is no service of the mesh: callers reach that name as they would without',
    '',
  ]);
});

test('what Kubernetes allows and only its network acts on is no fault: session affinity, node ports', () => {
  putService('orders', {
    type: 'NodePort',
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: {},
    ports: [{ ...httpPort, nodePort: 30_000 }],
  });
  mesh.make();
  expect(mesh.resources).toMatchObject([{ name: 'orders' }]);
});

test('what a change does not concern is the same object, and the status of Pods changes nothing', () => {
  putService('orders', { selector: { app: 'orders' }, ports: [httpPort] });
  putService('other', { selector: { app: 'other' }, ports: [httpPort] });
  putPod('a', { app: 'orders' }, 'runner');
  putSlice('orders-1', 'orders', [{ address: '10.1.0.1', pod: 'a' }]);
  mesh.make();
  const { resources, instances } = mesh;
  putPod('a', { app: 'orders' }, 'runner');
  expect(mesh.make()).toBe(false);
  putSlice('orders-1', 'orders', [{ address: '10.1.0.1', pod: 'a' }]);
  expect(mesh.make()).toBe(false);
  expect(mesh.instances).toBe(instances);
  putSlice('orders-1', 'orders', [{ address: '10.1.0.7', pod: 'a' }]);
  expect(mesh.make()).toBe(true);
  expect(mesh.resources).toBe(resources);
  expect(addresses()).toEqual(['10.1.0.7:8080']);
});

test('a slice that moves to another Service leaves the first one, and a Service that goes takes its instances', () => {
  putService('a', { ports: [httpPort] });
  putService('b', { ports: [httpPort] });
  putSlice('s', 'a', [{ address: '10.1.0.1' }]);
  mesh.make();
  putSlice('s', 'b', [{ address: '10.1.0.1' }]);
  mesh.make();
  expect(mesh.instances.map(({ service }) => service)).toEqual(['b']);
  services.delete('shop/b');
  mesh.onServices(new Set(['shop/b']));
  mesh.make();
  expect([mesh.instances, mesh.resources.map(({ name }) => name)]).toEqual([[], ['a']]);
});

test('an endpoint is at the application port, to which rules bring callers; without rules at the sidecar, by mTLS, and other ports past it, in plaintext', () => {
  putService('orders', {
    ports: [
      { name: 'http', port: 80 },
      { name: 'admin', port: 81 },
    ],
    selector: { app: 'orders' },
  });
  const ports = [
    { name: 'http', port: 8080 },
    { name: 'admin', port: 9090 },
  ];
  putSlice('orders-1', 'orders', [{ address: '10.0.0.1', pod: 'a' }], { ports });
  const places = (): unknown => {
    mesh.make();
    return mesh.instances.map(({ port, portName, identity }) => [portName, port, identity !== '']);
  };
  putPod('a', { app: 'orders' }, 'orders', { args: ['sidecar', '--interception=redirect', '--app-port=8080,9090'] });
  expect(places()).toEqual([
    ['http', 8080, true],
    ['admin', 9090, true],
  ]);
  putPod('a', { app: 'orders' }, 'orders', { args: ['sidecar', '--interception=none', '--app-port=8080'] });
  expect(places()).toEqual([
    ['http', 15_006, true],
    ['admin', 9090, false],
  ]);
  putPod('a', { app: 'orders' }, 'orders', {
    args: ['sidecar', '--interception=none', '--app-port=8080', '--inbound-listen=0.0.0.0:16006'],
  });
  expect(places()).toEqual([
    ['http', 16_006, true],
    ['admin', 9090, false],
  ]);
});

test.each<[string, { args?: readonly string[]; rules?: readonly string[] }, string]>([
  [
    'all of them',
    { rules: ['--mode=redirect', '--include-inbound-ports=*'] },
    'spiffe://cluster.local/ns/shop/sa/orders',
  ],
  ['all but this one', { rules: ['--exclude-inbound-ports=9000-9010,8080'] }, ''],
  ['all but another', { rules: ['--exclude-inbound-ports=9000-9010'] }, 'spiffe://cluster.local/ns/shop/sa/orders'],
  ['another only', { rules: ['--include-inbound-ports=9999'] }, ''],
  ['all, to one without an identity', { args: ['--no-identity'], rules: [] }, ''],
])(
  'a port of a Pod shows an identity where rules bring its callers to a sidecar that has one: %s',
  (_, said, identity) => {
    putService('orders', { ports: [{ name: 'http', port: 80, targetPort: 8080 }], selector: { app: 'orders' } });
    putPod('a', { app: 'orders' }, 'orders', said);
    putSlice('orders-1', 'orders', [{ address: '10.2.0.5', pod: 'a' }], { ports: [{ name: 'http', port: 8080 }] });
    mesh.make();
    expect(mesh.instances.map((each) => [each.port, each.identity])).toEqual([[8080, identity]]);
  },
);
