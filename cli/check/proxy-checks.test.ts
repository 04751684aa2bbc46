import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { AuthorityStatus } from '../../control-plane/admin/identity-admin.ts';
import type { ProxyRow } from '../../control-plane/admin/proxy-list.ts';
import { ClientResourceStatus } from '../../proto/generated/envoy/admin/v3/config_dump_shared_pb.js';
import {
  type ClientStatusResponse,
  ClientStatusResponseSchema,
  ConfigStatus,
} from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import type { Finding } from './findings.ts';
import { configurationTaken, identityFindings, staleInBoth, staleResources } from './proxy-checks.ts';

const nowMs = Date.parse('2026-11-28T12:00:00Z');
const at = (hours: number): string => new Date(nowMs + hours * 3_600_000).toISOString();
const lines = (findings: readonly Finding[]): string[] => findings.map(({ level, text }) => `${level}: ${text}`);

function response(
  ...entries: ReadonlyArray<readonly [name: string, status: ConfigStatus, details?: string]>
): ClientStatusResponse {
  return create(ClientStatusResponseSchema, {
    config: [
      {
        node: { id: 'orders-1' },
        genericXdsConfigs: entries.map(([name, configStatus, details]) => ({
          typeUrl: 'type.googleapis.com/envoy.config.listener.v3.Listener',
          name,
          configStatus,
          clientStatus: configStatus === ConfigStatus.ERROR ? ClientResourceStatus.NACKED : ClientResourceStatus.ACKED,
          ...(details === undefined ? {} : { errorState: { details } }),
        })),
      },
    ],
  });
}

test('what a proxy refused is a problem, with its reason cut to a length that can be read', () => {
  const refused = response(
    ['inbound', ConfigStatus.ERROR, `the port is taken${'x'.repeat(1_000)}`],
    ['outbound', ConfigStatus.SYNCED],
  );
  const [line = ''] = lines(configurationTaken(refused, new Map()));
  expect(line).toMatch(/^problem: orders-1 refused Listener inbound: the port is taken/);
  expect(line.length).toBeLessThan(500);
  expect(lines(configurationTaken(response(['inbound', ConfigStatus.SYNCED]), new Map()))).toEqual([
    'ok: 1 is connected, and has taken its configuration',
  ]);
});

test('what is not taken yet is worth a word when it is so twice', () => {
  const first = staleResources(response(['a', ConfigStatus.STALE], ['b', ConfigStatus.STALE]));
  const second = response(['a', ConfigStatus.STALE], ['b', ConfigStatus.SYNCED], ['c', ConfigStatus.STALE]);
  expect(lines(configurationTaken(second, staleInBoth(first, staleResources(second))))).toEqual([
    'warning: orders-1: Listener a: sent, and not taken yet',
  ]);
  expect(staleInBoth(new Map(), staleResources(second)).size).toBe(0);
});

const authority = { certificateLifetimeSeconds: 86_400 } as AuthorityStatus;

function proxy(nodeId: string, more: Partial<ProxyRow> = {}): ProxyRow {
  const identity = 'spiffe://cluster.local/ns/shop/sa/orders';
  return {
    ...{ nodeId, cluster: 'shop/orders', kind: 'outrigger', variant: 'delta', peer: '', identity, connectedAt: at(0) },
    ...{ certificate: { serial: '1', validFrom: at(-1), validUntil: at(23) }, inbound: null, refusedPolicies: '' },
    ...{ interception: 'NONE' as const, egress: '' as const, version: '', footprint: null, sync: [] },
    ...more,
  };
}

const found = (...proxies: readonly ProxyRow[]): string[] =>
  lines(identityFindings({ proxies, authority, workloads: [] }, nowMs));

test('certificates near their end, over it, or not begun', () => {
  const until = (validUntil: string, validFrom = at(-18)) => ({ certificate: { serial: '1', validFrom, validUntil } });
  expect(found(proxy('a'))).toEqual(['ok: 1 proxy has one, and time enough to renew it']);
  expect(found(proxy('a', until(at(5))))[0]).toMatch(
    /^problem: a: less than a quarter of the life of .* is left \(5 h, until .*renewals fail$/,
  );
  expect(found(proxy('a', until(at(-1))))[0]).toMatch(/^problem: a: the certificate of .* expired at/);
  expect(found(proxy('a', until(at(24), at(1))))[0]).toMatch(/^problem: a: .* is not yet valid, before/);
  // Certificates reach back by a minute, which is not part of a life of seconds.
  const short = { certificateLifetimeSeconds: 4 } as AuthorityStatus;
  const seconds = proxy('a', until(new Date(nowMs + 3_000).toISOString(), new Date(nowMs - 61_000).toISOString()));
  expect(lines(identityFindings({ proxies: [seconds], authority: short, workloads: [] }, nowMs))[0]).toMatch(/^ok/);
});

test('who has no identity: by service, and proxyless gRPC apart', () => {
  const bare = { identity: '', certificate: null };
  const many = Array.from({ length: 8 }, (_, at) => proxy(`n${at}`, bare));
  expect(found(...many, proxy('g', { ...bare, kind: 'grpc', cluster: 'shop/' }))).toEqual([
    'warning: shop/orders: n0, n1, n2, n3, n4 and 3 more have no identity: what goes in and out there is plaintext',
    'warning: proxyless gRPC 1 client (g): no identity, and plaintext',
  ]);
  expect(lines(identityFindings({ proxies: many, authority: null, workloads: [] }, nowMs))).toEqual([
    expect.stringMatching(/^warning: there is no TLS door/),
  ]);
});

test('a sidecar that registered and is not connected any more is told of: nothing new reaches it', () => {
  const row = {
    service: 'shop/orders',
    instanceId: 'one',
    source: 'registry',
    identity: 'spiffe://cluster.local/ns/shop/sa/orders',
  };
  const workloads = [
    { ...row, sidecar: null },
    { ...row, instanceId: 'two', sidecar: { nodeId: 'two', identity: row.identity } },
    // Registered by a program of its own, without a sidecar.
    { ...row, instanceId: 'three', identity: '', sidecar: null },
  ] as unknown as Parameters<typeof identityFindings>[0]['workloads'];
  expect(lines(identityFindings({ proxies: [], authority, workloads }, nowMs))).toEqual([
    'warning: 1 registered instance is not connected for configuration: shop/orders one',
  ]);
});
