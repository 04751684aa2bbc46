import { expect, it } from 'vitest';
import { HeaderFields } from '../../codec/header-fields.ts';
import { RequestHead } from '../../codec/message-head.ts';
import type { RateLimitActionConfig, VirtualHostRateLimits } from '../../config/rate-limit-config.ts';
import { anyPath, forward, route } from '../../connection-manager/test/configs.ts';
import { connectionInfo } from '../../connection-manager/test/stream-rig.ts';
import { RouteEntry } from '../../router/route-entry.ts';
import type { GateRequest } from '../request-gate.ts';
import { type Descriptor, RequestDescriptors } from './request-descriptors.ts';

const context = {
  localService: 'shop/storefront',
  forwardedFor: { useRemoteAddress: false, xffTrustedHops: 0, skipXffAppend: false },
};

interface Setting {
  readonly actions?: readonly RateLimitActionConfig[];
  readonly host?: readonly RateLimitActionConfig[];
  readonly include?: boolean;
  readonly fields?: ReadonlyArray<readonly [string, string]>;
  readonly path?: string;
  readonly metadata?: Map<string, unknown>;
  readonly remoteAddress?: string;
  readonly option?: VirtualHostRateLimits;
  readonly stage?: number;
}

function descriptors(setting: Setting): readonly Descriptor[] {
  const policy = (actions: readonly RateLimitActionConfig[] | undefined) =>
    actions === undefined ? [] : [{ stage: 0, actions }];
  const rateLimits = {
    route: policy(setting.actions),
    virtualHost: policy(setting.host),
    includeVirtualHost: setting.include ?? false,
  };
  const request = {
    head: new RequestHead('GET', 'http', 'h', setting.path ?? '/', '1.1', HeaderFields.of(...(setting.fields ?? []))),
    connection: { ...connectionInfo, remoteAddress: setting.remoteAddress ?? '10.1.2.3:4567' },
    route: new RouteEntry(route('r', anyPath, forward('orders'), { rateLimits }), 'all', [], []),
    metadata: setting.metadata ?? null,
    targetCluster: 'orders',
  } as unknown as GateRequest;
  return new RequestDescriptors(setting.stage ?? 0, context).of(request, setting.option ?? 'override');
}

const one = (action: RateLimitActionConfig, setting: Setting = {}) =>
  descriptors({ actions: [action, { kind: 'generic-key', key: 'k', value: 'v' }], ...setting })[0];
const rest = ['k', 'v'];

it('describes by cluster, address and fixed keys', () => {
  expect(one({ kind: 'source-cluster' })).toEqual([['source_cluster', 'shop/storefront'], rest]);
  expect(one({ kind: 'destination-cluster' })).toEqual([['destination_cluster', 'orders'], rest]);
  expect(one({ kind: 'remote-address' })).toEqual([['remote_address', '10.1.2.3'], rest]);
  const xff = [['x-forwarded-for', '192.168.1.9']] as const;
  expect(one({ kind: 'remote-address' }, { fields: xff })).toEqual([['remote_address', '192.168.1.9'], rest]);
  const masked = { kind: 'masked-remote-address', v4Bits: 16, v6Bits: 64 } as const;
  expect(one(masked)).toEqual([['masked_remote_address', '10.1.0.0/16'], rest]);
  expect(one(masked, { remoteAddress: '[2001:db8:1:2:3:4:5:6]:1' })).toEqual([
    ['masked_remote_address', '2001:db8:1:2::/64'],
    rest,
  ]);
  expect(one({ kind: 'remote-address' }, { remoteAddress: '[::ffff:10.0.0.1]:1' })).toEqual([
    ['remote_address', '10.0.0.1'],
    rest,
  ]);
});

it('describes by header: absent, there is no description, or no entry', () => {
  const header = { kind: 'request-header', header: 'x-a', key: 'a', skipIfAbsent: false } as const;
  const fields = [
    ['x-a', '1'],
    ['x-a', '2'],
  ] as const;
  expect(one(header, { fields })).toEqual([['a', '1'], rest]);
  expect(one(header)).toBe(undefined);
  expect(one({ ...header, skipIfAbsent: true })).toEqual([rest]);
});

it('describes by whether headers or query parameters match', () => {
  const present = {
    name: 'x-a',
    test: { kind: 'present', present: true },
    invert: false,
    treatMissingAsEmpty: false,
  } as const;
  const match = {
    kind: 'header-match',
    key: 'header_match',
    value: 'a',
    expectMatch: true,
    headers: [present],
  } as const;
  const fields = [['x-a', '']] as const;
  expect([one(match, { fields }), one(match)]).toEqual([[['header_match', 'a'], rest], undefined]);
  expect([one({ ...match, expectMatch: false }, { fields }), one({ ...match, expectMatch: false })]).toEqual([
    undefined,
    [['header_match', 'a'], rest],
  ]);
  const query = {
    kind: 'query-match',
    key: 'query_match',
    value: 'q',
    expectMatch: true,
    parameters: [{ name: 'q', test: { kind: 'present' } }],
  } as const;
  expect([one(query, { path: '/?q=1' }), one(query)]).toEqual([[['query_match', 'q'], rest], undefined]);
});

it('describes by what gates before it found out, of which only text counts', () => {
  const action = {
    kind: 'metadata',
    key: 'sub',
    namespace: 'jwt',
    path: ['claims', 'sub'],
    defaultValue: '',
    skipIfAbsent: false,
  } as const;
  const found = (sub: unknown) => ({ metadata: new Map([['jwt', { claims: { sub } }]]) });
  expect(one(action, found('alice'))).toEqual([['sub', 'alice'], rest]);
  expect([one(action, found(1)), one(action)]).toEqual([undefined, undefined]);
  expect(one({ ...action, defaultValue: 'nobody' })).toEqual([['sub', 'nobody'], rest]);
  expect(one({ ...action, skipIfAbsent: true })).toEqual([rest]);
  expect(one({ ...action, path: ['__proto__', 'constructor'] }, found('a'))).toBe(undefined);
});

it('takes those of the virtual host as the option says', () => {
  const actions = [{ kind: 'generic-key', key: 'route', value: '1' }] as const;
  const host = [{ kind: 'generic-key', key: 'host', value: '1' }] as const;
  const keys = (setting: Setting) => descriptors(setting).map(([entry]) => entry![0]);
  expect(keys({ actions, host })).toEqual(['route']);
  expect(keys({ host })).toEqual(['host']);
  expect(keys({ host, option: 'ignore' })).toEqual([]);
  expect(keys({ actions, host, option: 'include' })).toEqual(['route', 'host']);
  expect(keys({ actions, host, include: true })).toEqual(['route', 'host']);
  expect(keys({ actions, stage: 1 })).toEqual([]);
});
