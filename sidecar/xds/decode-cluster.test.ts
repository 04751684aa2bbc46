import { describe, expect, it } from 'vitest';
import { outlierConfig } from '../cluster/outlier/test/outlier-config.ts';
import { ClusterSchema } from './api/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from './api/envoy/config/endpoint/v3/endpoint_pb.js';
import { decodeAssignment, decodeCluster } from './decode-cluster.ts';
import { decodeJson } from './test/decode-json.ts';

const eds = {
  name: 'orders',
  type: 'EDS',
  eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
};
const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

function cluster(fields: Record<string, unknown> = {}) {
  return decodeJson(ClusterSchema, JSON.parse(JSON.stringify({ ...eds, ...fields })), decodeCluster);
}

function withOptions(options: Record<string, unknown>) {
  return cluster({
    typed_extension_protocol_options: { [httpOptions]: { '@type': `type.googleapis.com/${httpOptions}`, ...options } },
  });
}

function assignment(endpoints: unknown) {
  return decodeJson(ClusterLoadAssignmentSchema, { cluster_name: 'orders', endpoints }, decodeAssignment);
}

const host = (fields: Record<string, unknown> = {}) => ({
  endpoint: { address: { socket_address: { address: '10.0.0.1', port_value: 80 } } },
  ...fields,
});

describe('a cluster', () => {
  it("has Envoy's defaults where nothing is said", () => {
    expect(cluster().value).toMatchObject({
      name: 'orders',
      statName: 'orders',
      discovery: { kind: 'eds', serviceName: 'orders' },
      loadBalancing: { kind: 'round-robin' },
      connectTimeoutMs: 5_000,
      tls: null,
      protocol: 'http1',
      limits: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
      idleTimeoutMs: 3_600_000,
      panicThresholdPercent: 50,
      localityWeighted: false,
      bufferLimitBytes: 1024 * 1024,
    });
  });

  it("has Envoy's defaults of outlier detection once that is there, and none while it is not", () => {
    expect(cluster().value!.outlierDetection).toBeNull();
    expect(cluster({ outlier_detection: {} }).value!.outlierDetection).toEqual(outlierConfig());
    // The most follows the base where that is longer.
    expect(cluster({ outlier_detection: { base_ejection_time: '400s' } }).value!.outlierDetection).toMatchObject({
      baseEjectionTimeMs: 400_000,
      maxEjectionTimeMs: 400_000,
    });
  });

  it('takes a list of load balancing policies by its first; one for other clients may stand behind it', () => {
    const policy = (typeName: string, fields: object = {}): object => ({
      typed_extension_config: {
        name: typeName,
        typed_config: { '@type': `type.googleapis.com/${typeName}`, ...fields },
      },
    });
    const lb = 'envoy.extensions.load_balancing_policies';
    const least = policy(`${lb}.least_request.v3.LeastRequest`, { choice_count: 3 });
    const chosen = (...policies: object[]): unknown => {
      const { value, faults } = cluster({ load_balancing_policy: { policies } });
      return faults.length > 0 ? faults.join('\n') : value!.loadBalancing;
    };
    expect(chosen(policy('outrigger.load_balancing.v1.PeakEwma', { decay_time: '5s' }), least)).toEqual({
      kind: 'peak-ewma',
      decayMs: 5_000,
      errorPenaltyMs: 1_000,
      choiceCount: 2,
    });
    expect(chosen(least)).toEqual({ kind: 'least-request', choiceCount: 3 });
    const slow_start_config = { slow_start_window: '60s' };
    expect(chosen(policy(`${lb}.round_robin.v3.RoundRobin`, { slow_start_config }))).toEqual({
      kind: 'round-robin',
      slowStart: { windowMs: 60_000, aggression: 1, minWeightPercent: 10 },
    });
    expect(chosen(policy(`${lb}.random.v3.Random`))).toEqual({ kind: 'random' });
    expect(chosen()).toContain('is not a load balancer that is supported');
    expect(chosen(policy('outrigger.load_balancing.v1.PeakEwma', { choice_count: 1 }))).toContain(
      'choice_count: 1 is not between 2 and 64',
    );
  });

  it('takes slow start of both balancers, and fail_traffic_on_panic', () => {
    const slow_start_config = { slow_start_window: '60s', min_weight_percent: { value: 5 } };
    const slowStart = { windowMs: 60_000, aggression: 1, minWeightPercent: 5 };
    expect(cluster({ round_robin_lb_config: { slow_start_config } }).value!.loadBalancing).toEqual({
      kind: 'round-robin',
      slowStart,
    });
    expect(
      cluster({ lb_policy: 'LEAST_REQUEST', least_request_lb_config: { slow_start_config } }).value!.loadBalancing,
    ).toEqual({ kind: 'least-request', choiceCount: 2, slowStart });
    expect(
      cluster({ common_lb_config: { zone_aware_lb_config: { fail_traffic_on_panic: true } } }).value!
        .failTrafficOnPanic,
    ).toBe(true);
  });

  it('cannot be changed once it is made', () => {
    expect(Object.isFrozen(cluster().value)).toBe(true);
  });

  it('takes what is said', () => {
    const { value } = cluster({
      alt_stat_name: 'shop:orders',
      lb_policy: 'LEAST_REQUEST',
      least_request_lb_config: { choice_count: 4 },
      connect_timeout: '0.25s',
      eds_cluster_config: { service_name: 'orders.shop', eds_config: { ads: {} } },
      circuit_breakers: {
        thresholds: [
          { priority: 'HIGH', max_requests: 9 },
          { max_requests: 7, max_connections: 0, retry_budget: { budget_percent: { value: 35 } } },
        ],
      },
      common_lb_config: { healthy_panic_threshold: { value: 0 }, locality_weighted_lb_config: {} },
    });
    expect(value).toMatchObject({
      statName: 'shop_orders',
      loadBalancing: { kind: 'least-request', choiceCount: 4 },
      connectTimeoutMs: 250,
      discovery: { kind: 'eds', serviceName: 'orders.shop' },
      limits: {
        maxRequests: 7,
        maxConnections: 0,
        maxPendingRequests: 1024,
        retryBudget: { percent: 35, minRetries: 3 },
      },
      highLimits: { maxRequests: 9, maxConnections: 1024, maxPendingRequests: 1024, maxRetries: 3 },
      panicThresholdPercent: 0,
      localityWeighted: true,
    });
  });

  it.each([
    ['explicit HTTP/1', { explicit_http_config: { http_protocol_options: {} } }, 'http1'],
    ['explicit HTTP/2', { explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 7 } } }, 'http2'],
    [
      "the caller's",
      { use_downstream_protocol_config: { http2_protocol_options: { max_concurrent_streams: 7 } } },
      'same-as-downstream',
    ],
  ])('speaks %s protocol', (_what, options, protocol) => {
    const { value } = withOptions(options);
    expect(value!.protocol).toBe(protocol);
    if (protocol !== 'http1') expect(value!.http2.maxConcurrentStreams).toBe(7);
  });

  it.each([
    ['no protocol', {}, 'needs explicit_http_config or use_downstream_protocol_config'],
    ['no explicit protocol', { explicit_http_config: {} }, 'explicit_http_config: needs http_protocol_options or'],
    [
      'a negative stream duration',
      {
        explicit_http_config: { http_protocol_options: {} },
        common_http_protocol_options: { max_stream_duration: '-5s' },
      },
      'common_http_protocol_options.max_stream_duration: -5000 ms is not a usable duration',
    ],
  ])('is refused with HTTP options with %s', (_, options, fault) => {
    expect(withOptions(options).faults.join()).toContain(fault);
  });

  it('is refused when HTTP/2 is said twice', () => {
    const said = {
      http2_protocol_options: {},
      typed_extension_protocol_options: {
        [httpOptions]: {
          '@type': `type.googleapis.com/${httpOptions}`,
          explicit_http_config: { http_protocol_options: {} },
        },
      },
    };
    expect(cluster(said).faults.join()).toContain('http2_protocol_options: says the same as');
  });

  it.each([0, 4_294_967_295])('is refused with %d response headers at most', (max) => {
    expect(withOptions({ common_http_protocol_options: { max_headers_count: max } }).faults.join()).toContain(
      `common_http_protocol_options.max_headers_count: ${max} is not between 1 and 65535`,
    );
  });

  it('takes the connection settings of its HTTP options', () => {
    const { value } = withOptions({
      explicit_http_config: { http_protocol_options: {} },
      common_http_protocol_options: {
        idle_timeout: '60s',
        max_connection_duration: '600s',
        max_requests_per_connection: 100,
      },
    });
    expect(value).toMatchObject({
      idleTimeoutMs: 60_000,
      maxConnectionDurationMs: 600_000,
      maxRequestsPerConnection: 100,
    });
  });

  it('takes Unix sockets as hosts of a cluster with its endpoints in it, which may say no type (SPIRE’s agent)', () => {
    const at = (pipe: unknown): unknown => ({
      type: undefined,
      eds_cluster_config: undefined,
      load_assignment: { cluster_name: 'a', endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe } } }] }] },
    });
    for (const path of ['/tmp/spire-agent/public/api.sock', '@agent']) {
      const { value, faults } = cluster(at({ path }) as Record<string, unknown>);
      expect(faults).toEqual([]);
      expect(value!.discovery).toMatchObject({
        kind: 'static',
        assignment: { localities: [{ endpoints: [{ address: { host: '', port: 0, pipePath: path } }] }] },
      });
    }
    for (const [path, why] of [
      ['', 'is neither an absolute path nor @ and a name'],
      ['api.sock', 'is neither an absolute path nor @ and a name'],
      ['@', 'is neither an absolute path nor @ and a name'],
      [`/${'a'.repeat(107)}`, 'has 108 bytes; 107 is the limit'],
    ])
      expect(cluster(at({ path }) as Record<string, unknown>).faults.join()).toContain(why);
  });

  it('takes STRICT_DNS where there is nothing to resolve', () => {
    const at = (address: string) => ({
      type: 'STRICT_DNS',
      eds_cluster_config: undefined,
      load_assignment: {
        cluster_name: 'a',
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address, port_value: 80 } } } }] }],
      },
    });
    for (const address of ['127.0.0.1', 'localhost'])
      expect(cluster(at(address))).toMatchObject({ faults: [], value: { discovery: { kind: 'static' } } });
    expect(cluster(at('example.org')).faults.join()).toContain('"example.org" is not an IP address');
  });

  it('takes the name of a LOGICAL_DNS cluster, of one endpoint', () => {
    const at = (addresses: readonly string[], more: object = {}) => ({
      type: 'LOGICAL_DNS',
      eds_cluster_config: undefined,
      load_assignment: {
        cluster_name: 'a',
        endpoints: [
          {
            lb_endpoints: addresses.map((address) => ({
              endpoint: { address: { socket_address: { address, port_value: 80 } } },
            })),
          },
        ],
      },
      ...more,
    });
    for (const address of ['plane.outrigger', '127.0.0.1']) {
      const { faults, value } = cluster(at([address]));
      expect(faults).toEqual([]);
      expect(value!.discovery).toMatchObject({
        kind: 'static',
        assignment: { localities: [{ endpoints: [{ address: { host: address, port: 80 } }] }] },
      });
    }
    for (const [family, taken] of [
      [undefined, 'ipv6-first'],
      ['AUTO', 'ipv6-first'],
      ['V4_ONLY', 'ipv4'],
      ['V6_ONLY', 'ipv6'],
      ['V4_PREFERRED', 'ipv4-first'],
      ['ALL', 'any'],
    ])
      expect([family, cluster(at(['a'], { dns_lookup_family: family })).value!.addressFamily]).toEqual([family, taken]);
    for (const [message, why] of [
      [at(['a', 'b']), 'load_assignment: a LOGICAL_DNS cluster has one endpoint'],
      [at(['10.0.0.300']), '"10.0.0.300" is neither an IP address nor a name'],
      [at(['a'], { load_assignment: undefined }), 'load_assignment: a LOGICAL_DNS cluster needs its endpoint here'],
    ] as const)
      expect(cluster(message as Record<string, unknown>).faults.join()).toContain(why);
  });

  it.each([
    ['no name', { name: '' }, 'name: must not be empty'],
    [
      'least_request_lb_config under another policy',
      { least_request_lb_config: { choice_count: 3 } },
      'least_request_lb_config: belongs to lb_policy LEAST_REQUEST',
    ],
    [
      'eds_cluster_config in a STATIC cluster',
      { type: 'STATIC', load_assignment: { cluster_name: 'orders' } },
      'eds_cluster_config: belongs to clusters of type EDS',
    ],
    [
      'ORIGINAL_DST that is balanced',
      { type: 'ORIGINAL_DST', eds_cluster_config: undefined },
      'lb_policy: a cluster of type ORIGINAL_DST takes CLUSTER_PROVIDED',
    ],
    [
      'ORIGINAL_DST with health checks',
      {
        type: 'ORIGINAL_DST',
        lb_policy: 'CLUSTER_PROVIDED',
        eds_cluster_config: undefined,
        health_checks: [
          { timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} },
        ],
      },
      'health_checks: says nothing of a cluster of type ORIGINAL_DST',
    ],
    [
      'CLUSTER_PROVIDED of another type',
      { lb_policy: 'CLUSTER_PROVIDED' },
      'lb_policy: CLUSTER_PROVIDED belongs to clusters of type ORIGINAL_DST',
    ],
    [
      'a source address that is none',
      { upstream_bind_config: { source_address: { address: 'localhost', port_value: 0 } } },
      'upstream_bind_config.source_address.address: "localhost" is not an IP address',
    ],
    [
      'two source addresses of one family',
      {
        upstream_bind_config: {
          source_address: { address: '127.0.0.6', port_value: 0 },
          extra_source_addresses: [{ address: { address: '127.0.0.7', port_value: 0 } }],
        },
      },
      'upstream_bind_config.extra_source_addresses[0]: is of the same family as source_address',
    ],
    ['EDS without its source', { eds_cluster_config: undefined }, 'eds_cluster_config: an EDS cluster needs it'],
    [
      'STRICT_DNS without endpoints',
      { type: 'STRICT_DNS', eds_cluster_config: undefined },
      'load_assignment: a STRICT_DNS cluster needs its endpoints here',
    ],
    [
      'STATIC without endpoints',
      { type: 'STATIC', eds_cluster_config: undefined },
      'load_assignment: a STATIC cluster needs its endpoints here',
    ],
    ['RING_HASH', { lb_policy: 'RING_HASH' }, 'lb_policy: RING_HASH is not supported'],
    [
      'one choice of least request',
      { lb_policy: 'LEAST_REQUEST', least_request_lb_config: { choice_count: 1 } },
      'choice_count: must be at least 2',
    ],
    [
      'a panic threshold above 100 %',
      { common_lb_config: { healthy_panic_threshold: { value: 101 } } },
      'healthy_panic_threshold.value: 101 is not between 0 and 100',
    ],
    ['a connect timeout of 0', { connect_timeout: '0s' }, 'connect_timeout: must be above 0'],
    ['a connect timeout below 0', { connect_timeout: '-1s' }, 'connect_timeout: -1000 ms is not a usable duration'],
    ['a connect timeout of a month', { connect_timeout: '2592000s' }, 'connect_timeout: 2592000 s is above 86400 s'],
    [
      'a table of header fields for 4 GB',
      { http2_protocol_options: { hpack_table_size: 4294967295 } },
      'http2_protocol_options.hpack_table_size: 4294967295 is not between 0 and 1048576',
    ],
    [
      'no stream at a time',
      { http2_protocol_options: { max_concurrent_streams: 0 } },
      'http2_protocol_options.max_concurrent_streams: 0 is not between 1',
    ],
    [
      'keep-alive pings without a pause',
      { http2_protocol_options: { connection_keepalive: { interval: '0s', timeout: '5s' } } },
      'connection_keepalive.interval: must be at least 1 ms',
    ],
    [
      'keep-alive pings that are never waited for',
      { http2_protocol_options: { connection_keepalive: { interval: '10s', timeout: '0s' } } },
      'connection_keepalive.timeout: must be at least 1 ms',
    ],
    [
      'an ejection share above 100 %',
      { outlier_detection: { max_ejection_percent: 101 } },
      'outlier_detection.max_ejection_percent: 101 is not between 0 and 100',
    ],
    [
      'an ejection that takes no time',
      { outlier_detection: { base_ejection_time: '0s' } },
      'outlier_detection.base_ejection_time: must be at least 1 ms',
    ],
    ['monitors of hosts', { outlier_detection: { monitors: [{ name: 'x' }] } }, 'monitors: is not supported'],
    [
      'slow start without aggression',
      { round_robin_lb_config: { slow_start_config: { slow_start_window: '60s', aggression: { default_value: 0 } } } },
      'slow_start_config.aggression.default_value: 0 is not above 0',
    ],
    [
      'options of another balancer',
      { lb_policy: 'RANDOM', round_robin_lb_config: {} },
      'round_robin_lb_config: belongs to lb_policy ROUND_ROBIN',
    ],
    [
      'routing by zones',
      { common_lb_config: { zone_aware_lb_config: { min_cluster_size: 3 } } },
      'zone_aware_lb_config.min_cluster_size: is not supported',
    ],
    [
      'an HTTP/2 window below its default (RFC 9113 6.9.2)',
      { http2_protocol_options: { initial_stream_window_size: 100 } },
      'http2_protocol_options.initial_stream_window_size: 100 is not between',
    ],
    [
      'keep-alive without a timeout',
      { http2_protocol_options: { connection_keepalive: { interval: '10s' } } },
      'connection_keepalive.timeout: is missing',
    ],
    [
      'a transport socket of another kind',
      {
        transport_socket: {
          name: 'quic',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport',
          },
        },
      },
      'QuicUpstreamTransport is not supported',
    ],
  ])('is refused with %s', (_what, fields, fault) => {
    expect(cluster(fields).faults.join('\n')).toContain(fault);
  });
});

describe('a load assignment', () => {
  it('gives localities with priorities, weights and health', () => {
    const { value } = assignment([
      {
        locality: { region: 'eu', zone: 'a' },
        load_balancing_weight: 3,
        priority: 1,
        lb_endpoints: [
          host({
            health_status: 'DRAINING',
            load_balancing_weight: 5,
            metadata: { filter_metadata: { 'envoy.lb': { version: 'v2', canary: true } } },
          }),
          host(),
        ],
      },
    ]);
    expect(value!.localities[0]).toMatchObject({ region: 'eu', zone: 'a', weight: 3, priority: 1 });
    const [first, second] = value!.localities[0]!.endpoints;
    expect(first).toMatchObject({
      address: { host: '10.0.0.1', port: 80 },
      weight: 5,
      health: 'draining',
      metadata: { 'envoy.lb.version': 'v2', 'envoy.lb.canary': 'true' },
    });
    expect(second).toMatchObject({ weight: 1, health: 'unknown' });
  });

  it.each([
    [
      'a host without an address',
      [{ lb_endpoints: [{ endpoint: {} }] }],
      'endpoints[0].lb_endpoints[0].endpoint.address: has no socket_address',
    ],
    [
      'a weight of 0',
      [{ lb_endpoints: [host({ load_balancing_weight: 0 })] }],
      'load_balancing_weight: must be at least 1',
    ],
    [
      'a locality weight of 0',
      [{ load_balancing_weight: 0, lb_endpoints: [] }],
      'endpoints[0].load_balancing_weight: 0 is not between 1',
    ],
    [
      'host weights above 32 bits together',
      [{ lb_endpoints: [host({ load_balancing_weight: 4294967295 }), host()] }],
      'endpoints[0].lb_endpoints: the weights sum to 4294967296',
    ],
    [
      'locality weights above 32 bits together',
      [{ load_balancing_weight: 4294967295 }, { locality: { zone: 'b' }, load_balancing_weight: 1 }],
      'endpoints: the weights sum to 4294967296',
    ],
    ['a priority above 128', [{ priority: 129 }], 'priority: 129 is above 128'],
    [
      'a named port',
      [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '10.0.0.1', named_port: 'http' } } } }] }],
      'named_port: is not supported',
    ],
  ])('is refused with %s', (_what, endpoints, fault) => {
    expect(assignment(endpoints).faults.join('\n')).toContain(fault);
  });
});
