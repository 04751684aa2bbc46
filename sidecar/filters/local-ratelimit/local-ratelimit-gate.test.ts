import { expect, it } from 'vitest';
import type { RequestHead } from '../../codec/message-head.ts';
import type { LocalRateLimitConfig } from '../../config/rate-limit-config.ts';
import type { RouteConfig } from '../../config/route-config.ts';
import { ActiveStream } from '../../connection-manager/active-stream.ts';
import { anyPath, forward, route } from '../../connection-manager/test/configs.ts';
import { FakeServerStream } from '../../connection-manager/test/fake-peers.ts';
import { answer, get, grpcCall, StreamRig } from '../../connection-manager/test/stream-rig.ts';
import { LocalRateLimitGate } from './local-ratelimit-gate.ts';
import { localRateLimitConfig } from './test/local-ratelimit-configs.ts';

const forwardedFor = { useRemoteAddress: false, xffTrustedHops: 0, skipXffAppend: false };

function rig(config: Partial<LocalRateLimitConfig>, ofRoute: Partial<RouteConfig> = {}): StreamRig {
  const made = new StreamRig({ routes: [route('r', anyPath, forward('orders'), ofRoute)] });
  const gate = new LocalRateLimitGate(localRateLimitConfig(config), forwardedFor, made.context);
  Object.assign(made.manager, { gates: [gate] });
  return made;
}

/** One request through the same manager, answered by the upstream if it gets there. */
function ask(made: StreamRig, head: RequestHead = get('/'), info = made.info): FakeServerStream {
  const downstream = new FakeServerStream();
  const connection = {
    manager: made.manager,
    context: made.context,
    info,
    streamEnded: () => undefined,
  };
  new ActiveStream(connection, downstream).onHead(head, true);
  if (downstream.head === null) made.cluster.last.receiver.onHead(answer(200), true);
  return downstream;
}

it('refuses with 429, RL and when to come again, and counts as Envoy does', () => {
  const made = rig({
    responseHeaders: { add: [{ name: 'x-why', value: 'limit', action: 'append', keepEmpty: false }], remove: [] },
  });
  expect(ask(made).head!.status).toBe(200);
  const { head } = ask(made);
  expect(head!.status).toBe(429);
  expect(head!.fields.get('retry-after')).toBe('60');
  expect(head!.fields.get('ratelimit-limit')).toBe('1');
  expect(head!.fields.get('ratelimit-remaining')).toBe('0');
  expect(head!.fields.get('ratelimit-reset')).toBe('60');
  expect(head!.fields.get('x-why')).toBe('limit');
  expect(head!.fields.has('x-ratelimit-limit')).toBe(false);
  expect(JSON.parse(made.lines[1]!)).toMatchObject({ status: 429, flags: 'RL', details: 'local_rate_limited' });
  const counts = ['enabled', 'ok', 'rate_limited', 'enforced'].map((name) =>
    made.counter(`lim.http_local_rate_limit.${name}`),
  );
  expect(counts).toEqual([2, 1, 1, 1]);
  made.time.advance(60_000);
  expect(ask(made).head!.status).toBe(200);
});

it('names the RateLimitPolicy whose limit it was, in the answer and the log', () => {
  const limits = ['shop/a#local-0', 'shop/b#local-1'];
  const made = rig(
    {
      bucket: null,
      descriptors: limits.map((value, at) => ({
        entries: [['rule', value], ...(at === 0 ? [] : ([['user', '']] as const))],
        bucket: { maxTokens: 2 - at, tokensPerFill: 1, fillIntervalMs: 60_000 },
      })),
    },
    {
      rateLimits: {
        route: limits.map((value, at) => ({
          stage: 0,
          actions: [
            { kind: 'generic-key' as const, key: 'rule', value },
            ...(at === 0 ? [] : [{ kind: 'generic-key' as const, key: 'user', value: 'x' }]),
          ],
        })),
        virtualHost: [],
        includeVirtualHost: false,
      },
    },
  );
  ask(made);
  expect(JSON.parse(ask(made).body)).toMatchObject({ flag: 'RL', rule: 'RateLimitPolicy shop/b' });
  expect(JSON.parse(made.lines[1]!)).toMatchObject({ flags: 'RL', policy: 'RateLimitPolicy shop/b' });
});

it('is UNAVAILABLE for gRPC callers, or RESOURCE_EXHAUSTED when asked', () => {
  const none = { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1e9 };
  for (const [resourceExhausted, status] of [
    [false, '14'],
    [true, '8'],
  ] as const) {
    const made = rig({ bucket: none, resourceExhausted });
    ask(made);
    expect(ask(made, grpcCall()).head!.fields.get('grpc-status')).toBe(status);
  }
});

it('only counts, and marks the request, where it is not enforced; does nothing where it is not enabled', () => {
  const requestHeaders = {
    add: [{ name: 'x-over', value: '1', action: 'append', keepEmpty: false }],
    remove: [],
  } as const;
  const made = rig({ enforced: { numerator: 0, denominator: 100 }, requestHeaders });
  ask(made);
  expect(ask(made).head!.status).toBe(200);
  expect(made.cluster.last.sentFields).toContainEqual(['x-over', '1']);
  expect(made.counter('lim.http_local_rate_limit.rate_limited')).toBe(1);
  expect(made.counter('lim.http_local_rate_limit.enforced')).toBe(0);
  const off = rig({ enabled: { numerator: 0, denominator: 100 } });
  ask(off);
  expect(ask(off).head!.status).toBe(200);
  expect(off.counter('lim.http_local_rate_limit.enabled')).toBe(0);
});

it('tells the limit on every answer when asked', () => {
  const made = rig({ tellsLimits: true, bucket: { maxTokens: 2, tokensPerFill: 1, fillIntervalMs: 10_000 } });
  const told = [1, 2, 3].map(() => {
    const { fields } = ask(made).head!;
    return ['limit', 'remaining', 'reset'].map((name) => fields.get(`x-ratelimit-${name}`));
  });
  expect(told).toEqual([
    ['2', '1', '0'],
    ['2', '0', '10'],
    ['2', '0', '10'],
  ]);
});

it('has buckets for each connection where it is told so', () => {
  const made = rig({ perConnection: true });
  const other = { ...made.info };
  expect([made.info, made.info, other, other].map((info) => ask(made, get('/'), info).head!.status)).toEqual([
    200, 429, 200, 429,
  ]);
});

it('a route has a limit of its own, and callers one each by their identity', () => {
  const rateLimits = {
    route: [{ stage: 0, actions: [{ kind: 'caller', key: 'caller' }] }],
    virtualHost: [],
    includeVirtualHost: false,
  } as const;
  const ofRoute = localRateLimitConfig({
    filterName: '',
    statPrefix: 'route',
    bucket: { maxTokens: 100, tokensPerFill: 1, fillIntervalMs: 60_000 },
    descriptors: [{ entries: [['caller', '']], bucket: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 60_000 } }],
  });
  const made = rig(
    { enabled: { numerator: 0, denominator: 100 } },
    { rateLimits, gates: new Map([['limit', ofRoute]]) },
  );
  const caller = (name: string) => ({
    ...made.info,
    peer: { uris: [`spiffe://cluster.local/ns/shop/sa/${name}`], dnsNames: [], subject: '' } as never,
  });
  const statuses = ['a', 'a', 'b', 'b'].map((name) => ask(made, get('/'), caller(name)).head!.status);
  expect(statuses).toEqual([200, 429, 200, 429]);
  // Strangers fall under the default one only.
  expect([ask(made), ask(made)].map(({ head }) => head!.status)).toEqual([200, 200]);
  expect(made.counter('route.http_local_rate_limit.rate_limited')).toBe(2);
});
