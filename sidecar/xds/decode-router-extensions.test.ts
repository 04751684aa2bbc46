/** Hedging and fallbacks, our own extensions of routes, through the whole decoder of routes. */
import { describe, expect, test } from 'vitest';
import { RouteConfigurationSchema } from './api/envoy/config/route/v3/route_pb.js';
import { decodeRouteTable } from './decode-route.ts';
import { decodeJson } from './test/decode-json.ts';

type PerFilter = Record<string, unknown>;

const hedging = (json: object): PerFilter => ({
  'outrigger.hedging': { '@type': 'type.googleapis.com/outrigger.resilience.v1.Hedging', ...json },
});
const fallback = (json: object): PerFilter => ({
  'outrigger.fallback': { '@type': 'type.googleapis.com/outrigger.resilience.v1.Fallback', ...json },
});

function decoded(route: PerFilter, host: PerFilter = {}, table: PerFilter = {}, name = 'r') {
  const routes = [{ name, match: { prefix: '/' }, route: { cluster: 'orders' }, typed_per_filter_config: route }];
  const hosts = [{ name: 'all', domains: ['*'], routes, typed_per_filter_config: host }];
  const { value, faults } = decodeJson(
    RouteConfigurationSchema,
    { name: 'main', virtual_hosts: hosts, typed_per_filter_config: table },
    decodeRouteTable,
  );
  const found = value?.virtualHosts[0]!.routes[0];
  return { action: found?.action, gates: found?.gates, faults };
}

const here = 'virtual_hosts[0].routes[0].typed_per_filter_config';

test('what a route remembers it remembers by its name: one without is refused', () => {
  const nameless = (route: PerFilter): readonly string[] => decoded(route, {}, {}, '').faults;
  expect([
    nameless(hedging({ percentile: { percentile: 95 } })),
    nameless(fallback({ stale: { max_age: '1s' } })),
  ]).toEqual([
    ['virtual_hosts[0].routes[0].name: is missing: what requests take is remembered by the name of their route'],
    ['virtual_hosts[0].routes[0].name: is missing: the last good answers are kept by the name of their route'],
  ]);
  expect([nameless(hedging({ delay: '1s' })), nameless(fallback({ answer: { status: 200 } }))]).toEqual([[], []]);
});

describe('hedging', () => {
  test('after a delay, or by percentile, with defaults; it is no gate', () => {
    const { action, gates } = decoded(hedging({ policy: 'TrafficPolicy shop/p', delay: '0.05s' }));
    expect(action).toMatchObject({
      hedging: {
        policy: 'TrafficPolicy shop/p',
        when: { kind: 'delay', delayMs: 50 },
        maxHedges: 1,
        methods: ['GET', 'HEAD', 'OPTIONS', 'TRACE'],
      },
      fallback: null,
    });
    expect(gates).toBeNull();
    expect(
      decoded(hedging({ percentile: { percentile: 99 }, max_hedges: 2, methods: ['GET', 'POST'] })).action,
    ).toMatchObject({
      hedging: {
        when: { kind: 'percentile', percentile: 99, minSamples: 50, minDelayMs: 10 },
        maxHedges: 2,
        methods: ['GET', 'POST'],
      },
    });
    expect(decoded({}).action).toMatchObject({ hedging: null, fallback: null });
  });

  test('of a route goes before that of its virtual host and its table; max_hedges 0 is none', () => {
    const outer = hedging({ delay: '1s' });
    expect(decoded({}, {}, outer).action).toMatchObject({ hedging: { when: { delayMs: 1_000 } } });
    expect(decoded(hedging({ delay: '2s' }), outer, outer).action).toMatchObject({
      hedging: { when: { delayMs: 2_000 } },
    });
    expect(decoded(hedging({ max_hedges: 0 }), outer).action).toMatchObject({ hedging: null });
  });

  test.each<[object, string[]]>([
    [{}, [`${here}["outrigger.hedging"]: needs delay or percentile`]],
    [{ delay: '0s' }, [`${here}["outrigger.hedging"].delay: must be above 0`]],
    [{ delay: '90000s' }, [`${here}["outrigger.hedging"].delay: 90000 s is above 86400 s`]],
    [
      {
        percentile: { percentile: 100, min_samples: 0, min_delay: '-1s' },
        max_hedges: 11,
        methods: ['get', 'CONNECT'],
      },
      [
        `${here}["outrigger.hedging"].max_hedges: 11 is not between 0 and 10`,
        `${here}["outrigger.hedging"].percentile.percentile: 100 is not between 50 and 99.9`,
        `${here}["outrigger.hedging"].percentile.min_samples: 0 is not between 1 and 100000`,
        `${here}["outrigger.hedging"].percentile.min_delay: -1000 ms is not a usable duration`,
        `${here}["outrigger.hedging"].methods[0]: "get" is not a method that can be sent again`,
        `${here}["outrigger.hedging"].methods[1]: "CONNECT" is not a method that can be sent again`,
      ],
    ],
  ])('%j is refused by field path', (json, faults) => {
    expect(decoded(hedging(json)).faults).toEqual(faults);
  });
});

describe('a fallback', () => {
  test('has what is said, with defaults', () => {
    const json = {
      policy: 'TrafficPolicy shop/p',
      service: { cluster: 'archive', timeout: '2s' },
      stale: { max_age: '3600s', vary_by: ['X-User'] },
      answer: {
        status: 200,
        headers: [{ name: 'Content-Type', value: 'application/json' }],
        body: '[]',
        grpc_status: 0,
      },
    };
    expect(decoded(fallback(json)).action).toMatchObject({
      fallback: {
        policy: 'TrafficPolicy shop/p',
        service: { cluster: 'archive', timeoutMs: 2_000 },
        stale: { maxAgeMs: 3_600_000, maxEntryBytes: 65_536, varyBy: ['x-user'] },
        answer: {
          status: 200,
          headers: [['Content-Type', 'application/json']],
          body: '[]',
          grpcStatus: 0,
          grpcMessage: '',
        },
        methods: ['GET', 'HEAD', 'OPTIONS', 'TRACE'],
        statusCodes: [502, 503, 504],
      },
    });
    expect(decoded(fallback({ service: { cluster: 'a' } })).action).toMatchObject({
      fallback: { service: { timeoutMs: null }, stale: null, answer: null },
    });
    expect(decoded(fallback({}), fallback(json)).action).toMatchObject({ fallback: null });
  });

  test('is refused by field path', () => {
    expect(
      decoded(
        fallback({
          service: {},
          stale: { max_entry_bytes: 2_000_000, vary_by: ['a b'] },
          answer: { headers: [{ name: 'Content-Length', value: 'a\nb' }], body: 'x'.repeat(16_385), grpc_status: 17 },
          status_codes: [200],
        }),
      ).faults,
    ).toEqual(
      [
        '.service.cluster: must not be empty',
        '.stale.max_age: is missing',
        '.stale.vary_by[0]: "a b" is not a header name',
        '.stale.max_entry_bytes: 2000000 is not between 1 and 1048576',
        '.answer.grpc_status: 17 is not between 0 and 16',
        '.answer.headers[0].name: "Content-Length" is not a header that can be set',
        '.answer.headers[0].value: has a character that may not stand in a header value',
        '.answer.body: has 16385 bytes; 16384 is the limit',
        '.status_codes[0]: 200 is not between 400 and 599',
      ].map((text) => `${here}["outrigger.fallback"]${text}`),
    );
    expect(decoded(fallback({ answer: {} })).faults).toEqual([
      `${here}["outrigger.fallback"].answer: needs status or grpc_status`,
    ]);
    expect(decoded(fallback({ stale: { max_age: '8000000s' }, answer: { status: 100 } })).faults).toEqual([
      `${here}["outrigger.fallback"].stale.max_age: 8000000 s is above 604800 s`,
      `${here}["outrigger.fallback"].answer.status: 100 is not between 200 and 599`,
    ]);
  });

  test('under the name of another filter is refused', () => {
    const { 'outrigger.fallback': message } = fallback({ answer: { status: 200 } });
    expect(decoded({ 'envoy.filters.http.router': message }).faults).toEqual([
      `${here}["envoy.filters.http.router"]: stands under another name than outrigger.fallback`,
    ]);
  });
});
