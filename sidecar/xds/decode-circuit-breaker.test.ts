import { describe, expect, it } from 'vitest';
import { breakerConfig } from '../circuit-breaker/test/breaker-rig.ts';
import { ClusterSchema } from './api/envoy/config/cluster/v3/cluster_pb.js';
import { RouteConfigurationSchema } from './api/envoy/config/route/v3/route_pb.js';
import { decodeCluster } from './decode-cluster.ts';
import { decodeRouteTable } from './decode-route.ts';
import { decodeJson } from './test/decode-json.ts';

const type = 'type.googleapis.com/outrigger.resilience.v1.CircuitBreaker';
const key = 'outrigger.circuit_breaker';
const place = `typed_extension_protocol_options["${key}"]`;

function cluster(breaker: object, extensionKey = key) {
  return decodeJson(
    ClusterSchema,
    {
      name: 'app',
      load_assignment: { cluster_name: 'app' },
      typed_extension_protocol_options: { [extensionKey]: { '@type': type, ...breaker } },
    },
    decodeCluster,
  );
}

interface Level {
  readonly typed_per_filter_config?: object;
}

const perFilter = (breaker: object = {}): Level => ({
  typed_per_filter_config: { [key]: { '@type': type, ...breaker } },
});
const forwards = { match: { prefix: '/' }, route: { cluster: 'app' } };

function table(routes: readonly object[], host: Level = {}, own: Level = {}) {
  const json = { name: 't', virtual_hosts: [{ name: 'v', domains: ['*'], routes, ...host }], ...own };
  return decodeJson(RouteConfigurationSchema, json, decodeRouteTable);
}

describe('of a cluster', () => {
  it('has defaults for everything', () => {
    const { value, faults } = cluster({ rule: 'TrafficPolicy shop/orders' });
    expect(faults).toEqual([]);
    expect(value!.circuitBreaker).toEqual(breakerConfig());
  });

  it('has what is said', () => {
    const { value, faults } = cluster({
      window: '1s',
      minimum_calls: 5,
      failure_percent: 0,
      consecutive_failures: 7,
      slow_calls: { longer_than: '0.25s', percent: 80 },
      open_time: '100s',
      jitter_percent: 0,
      probes: 1,
      successes_to_close: 2,
      failure_statuses: [500, 429],
      failure_grpc_statuses: [13],
    });
    expect(faults).toEqual([]);
    expect(value!.circuitBreaker).toEqual({
      rule: '',
      windowMs: 1_000,
      minCalls: 5,
      failurePercent: 0,
      consecutiveFailures: 7,
      slowCallMs: 250,
      slowPercent: 80,
      openMs: 100_000,
      maxOpenMs: 100_000,
      jitterPercent: 0,
      probes: 1,
      successesToClose: 2,
      failureStatuses: [500, 429],
      failureGrpcStatuses: [13],
    });
  });

  it('names every bad value by its path', () => {
    const { faults } = cluster({
      rule: 'a\nb',
      window: '0.05s',
      minimum_calls: 0,
      failure_percent: 101,
      consecutive_failures: 2_000_000,
      slow_calls: { percent: 0 },
      open_time: '5s',
      max_open_time: '1s',
      jitter_percent: 200,
      probes: 0,
      successes_to_close: 1_001,
      failure_statuses: [200],
      failure_grpc_statuses: [0, 17],
    });
    expect(faults).toEqual([
      `${place}.max_open_time: is shorter than open_time`,
      `${place}.slow_calls.longer_than: is missing`,
      `${place}.rule: has a character beyond printable ASCII`,
      `${place}.window: 50 is not between 100 and 3600000`,
      `${place}.minimum_calls: 0 is not between 1 and 1000000`,
      `${place}.failure_percent: 101 is not between 0 and 100`,
      `${place}.consecutive_failures: 2000000 is not between 0 and 1000000`,
      `${place}.slow_calls.percent: 0 is not between 1 and 100`,
      `${place}.jitter_percent: 200 is not between 0 and 100`,
      `${place}.probes: 0 is not between 1 and 1000`,
      `${place}.successes_to_close: 1001 is not between 1 and 1000`,
      `${place}.failure_statuses[0]: 200 is not between 400 and 599`,
      `${place}.failure_grpc_statuses[0]: 0 is not between 1 and 16`,
      `${place}.failure_grpc_statuses[1]: 17 is not between 1 and 16`,
    ]);
  });

  it('refuses one that nothing opens, and one under another key', () => {
    expect(cluster({ failure_percent: 0 }).faults).toEqual([
      `${place}: is opened by nothing: give failure_percent, consecutive_failures or slow_calls`,
    ]);
    expect(cluster({}, 'breaker').faults).toEqual([
      'typed_extension_protocol_options["breaker"]: is not supported; see docs/xds-support.md',
    ]);
  });
});

describe('of a route', () => {
  it('is read there, and no filter of that name is looked for', () => {
    const { value, faults } = table([
      { name: 'r', ...forwards, ...perFilter({ rule: 'TrafficPolicy shop/orders' }) },
      { name: 'other', ...forwards },
    ]);
    expect(faults).toEqual([]);
    const { routes } = value!.virtualHosts[0]!;
    expect(routes.map(({ circuitBreaker, gates }) => [circuitBreaker, gates])).toEqual([
      [breakerConfig(), null],
      [null, null],
    ]);
  });

  it('belongs to a route that forwards and has a name; those of one name say the same', () => {
    const options = (i: number): string => `virtual_hosts[0].routes[${i}].typed_per_filter_config["${key}"]`;
    const { faults } = table(
      [
        { ...forwards, ...perFilter() },
        { name: 'r', ...forwards, ...perFilter() },
        { name: 'r', ...forwards, ...perFilter({ probes: 9 }) },
        { name: 'd', match: { prefix: '/' }, direct_response: { status: 200 }, ...perFilter() },
      ],
      perFilter(),
      perFilter(),
    );
    expect(faults).toEqual([
      `typed_per_filter_config["${key}"]: belongs to a route, or to a cluster`,
      `virtual_hosts[0].typed_per_filter_config["${key}"]: belongs to a route, or to a cluster`,
      'virtual_hosts[0].routes[0].name: is missing: a circuit breaker is named by its route',
      `${options(2)}: is not the same as that of another route named "r", which shares it`,
      `${options(3)}: belongs to a route that forwards`,
    ]);
  });

  it('refuses something else under its key', () => {
    const shedding = { '@type': 'type.googleapis.com/outrigger.resilience.v1.SheddingPriority' };
    const { faults } = table([{ name: 'r', ...forwards, typed_per_filter_config: { [key]: shedding } }]);
    expect(faults[0]).toContain('SheddingPriority is no outrigger.resilience.v1.CircuitBreaker');
  });
});
