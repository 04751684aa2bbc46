/** The admin port of a whole control plane, as it tells of proxies and of itself: real doors, real certificates, and never a key. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readCertificate } from '../../certs/x509/certificate.ts';
import { NodeSchema } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { AggregatedDiscoveryService } from '../../proto/generated/envoy/service/discovery/v3/ads_pb.js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../../proto/generated/envoy/service/discovery/v3/discovery_pb.js';
import { type Held, MeshDoors, type OpenStream, shopOrders, stream } from '../door/mesh-doors.test-data.ts';
import { typeOrder } from '../xds-server/served-resource.ts';
import type { AuthorityStatus } from './identity-admin.ts';
import type { ControlPlaneInfo } from './mesh-lists.ts';
import type { ProxyRow } from './proxy-list.ts';

let doors: MeshDoors;

beforeEach(async () => {
  doors = await MeshDoors.start();
});

afterEach(() => doors.stop());

async function list<T>(name: string): Promise<T> {
  const { status, text } = await doors.admin('GET', `/api/v1/${name}`);
  expect([name, status]).toEqual([name, 200]);
  expect(text).not.toContain('PRIVATE');
  return JSON.parse(text) as T;
}

function openAds(
  id: string,
  held: Held | null,
  fields: MessageInitShape<typeof DeltaDiscoveryRequestSchema> = { typeUrl: typeOrder.cluster },
): OpenStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
  const client = held === null ? doors.plain() : doors.tls(held);
  const ads: OpenStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = stream(
    client,
    AggregatedDiscoveryService,
    'deltaAggregatedResources',
  );
  const node = create(NodeSchema, { id, cluster: 'shop/orders', userAgentName: 'envoy', metadata: { app_port: 8080 } });
  ads.write(create(DeltaDiscoveryRequestSchema, { node, ...fields }));
  return ads;
}

test('a proxy has the certificate that it was given by SDS, else the one that its stream showed, else none', async () => {
  const held = await doors.certificate();
  const shown = readCertificate(held.chain[0]!);
  await openAds('own', held).next();
  await openAds('by-sds', held, { typeUrl: typeOrder.secret, resourceNamesSubscribe: ['default'] }).next();
  await openAds('bare', null).next();
  const proxies = new Map((await list<ProxyRow[]>('proxies')).map((row) => [row.nodeId, row]));
  expect(proxies.get('own')).toMatchObject({
    identity: shopOrders,
    certificate: { serial: shown.serial, validUntil: new Date(shown.notAfterMs).toISOString() },
    inbound: { mode: 'STRICT', reason: 'mTLS STRICT (the default)' },
  });
  const bySds = proxies.get('by-sds')!.certificate!;
  expect(bySds.serial).toMatch(/^[0-9a-f]+$/);
  expect(bySds.serial).not.toBe(shown.serial);
  expect(proxies.get('bare')).toMatchObject({ identity: '', certificate: null, inbound: { mode: 'DISABLE' } });
});

test('of itself: where it listens, its clock, how long certificates last', async () => {
  const info = await list<ControlPlaneInfo>('control-plane');
  expect(info).toMatchObject({
    listen: `127.0.0.1:${doors.plane.port}`,
    listenTls: `127.0.0.1:${doors.plane.tlsPort}`,
    trustDomain: 'cluster.local',
  });
  expect(Math.abs(Date.parse(info.now) - Date.now())).toBeLessThan(10_000);
  expect(await list<AuthorityStatus>('authority')).toMatchObject({
    certificateLifetimeSeconds: 3_600,
    fault: '',
    rotation: null,
    authorities: [{ signs: true, validFrom: expect.any(String) }],
  });
  for (const name of ['warnings', 'key-sets', 'workloads', 'policies', 'faults'])
    expect(await list<unknown[]>(name)).toEqual([]);
});

test('of a rotation: for whom it waits', async () => {
  const ads = openAds('one', await doors.certificate(), {
    typeUrl: typeOrder.secret,
    resourceNamesSubscribe: ['ROOTCA'],
  });
  await ads.next();
  await doors.admin('POST', '/api/v1/authority/rotate', {});
  expect((await list<AuthorityStatus>('authority')).rotation).toMatchObject({
    // Its own certificate, which no stream speaks of, and what it gets by SDS.
    holders: 2,
    ready: 0,
    waitingFor: [expect.stringContaining(`${shopOrders} (not connected; its certificate ends `)],
    awayUntil: expect.stringMatching(/^\d{4}-/),
  });
});

test('a proxy that refused its inbound listener says why, until it takes one', async () => {
  const ads = openAds('picky', null, { typeUrl: typeOrder.listener, resourceNamesSubscribe: ['*'] });
  const { nonce: responseNonce } = await ads.next();
  const row = async (): Promise<ProxyRow | undefined> => (await list<ProxyRow[]>('proxies'))[0];
  const refused = async (): Promise<string | undefined> => (await row())?.refusedPolicies;
  const answer = (fields: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void =>
    ads.write(create(DeltaDiscoveryRequestSchema, { typeUrl: typeOrder.listener, responseNonce, ...fields }));
  expect(await refused()).toBe('');
  answer({ errorDetail: { code: 3, message: 'no such field' } });
  await vi.waitFor(async () => expect(await refused()).toBe('no such field'));
  expect((await row())!.sync).toEqual([
    {
      type: 'listener',
      state: 'refused',
      resources: 2,
      bytes: expect.any(Number),
      refused: expect.arrayContaining([{ name: 'inbound', reason: 'no such field' }]),
    },
  ]);
  answer({});
  await vi.waitFor(async () => expect(await refused()).toBe(''));
  expect((await row())!.sync).toMatchObject([{ type: 'listener', state: 'synced', resources: 2, refused: [] }]);
});
