import { describe, expect, it } from 'vitest';
import { checkConfig, httpCheckConfig } from '../cluster/health-check/test/check-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { ClusterSchema } from './api/envoy/config/cluster/v3/cluster_pb.js';
import { decodeCluster } from './decode-cluster.ts';
import { decodeJson } from './test/decode-json.ts';

const least = { timeout: '1s', interval: '5s', unhealthy_threshold: 2, healthy_threshold: 3 };
const tcp = { tcp_health_check: {} };

/** `undefined`: without that field. */
function merged(check: object): object {
  return JSON.parse(JSON.stringify({ ...least, ...check })) as object;
}

function check(...checks: readonly object[]): { config: ClusterConfig['healthCheck']; faults: readonly string[] } {
  const { value, faults } = decodeJson(
    ClusterSchema,
    { name: 'a', load_assignment: { cluster_name: 'a' }, health_checks: checks.map(merged) },
    decodeCluster,
  );
  return { config: value?.healthCheck, faults };
}

describe('health_checks', () => {
  it("has Envoy's defaults", () => {
    expect(check(tcp)).toEqual({ config: checkConfig(), faults: [] });
    expect(check({ http_health_check: { path: '/healthz' } }).config!.check).toEqual(httpCheckConfig());
    expect(check({ grpc_health_check: {} }).config!.check).toMatchObject({ serviceName: '', authority: '' });
    expect(check().config).toBeNull();
  });

  it('intervals follow each other where they are not set', () => {
    expect(check({ ...tcp, unhealthy_interval: '9s', no_traffic_interval: '7s' }).config).toMatchObject({
      intervalMs: 5_000,
      unhealthyIntervalMs: 9_000,
      unhealthyEdgeIntervalMs: 9_000,
      healthyEdgeIntervalMs: 5_000,
      noTrafficIntervalMs: 7_000,
      noTrafficHealthyIntervalMs: 7_000,
    });
  });

  it('takes what is said', () => {
    const { config, faults } = check({
      http_health_check: {
        host: 'shop.test',
        path: '/health?full',
        method: 'HEAD',
        codec_client_type: 'HTTP2',
        expected_statuses: [{ start: 200, end: 300 }],
        retriable_statuses: [{ start: 500, end: 600 }],
        receive: [{ text: '6f6b' }, { binary: 'b2s=' }],
        response_buffer_size: 64,
        service_name_matcher: { prefix: 'shop' },
        request_headers_to_add: [{ header: { key: 'x-probe', value: 'yes' } }],
      },
      interval_jitter: '0.1s',
      interval_jitter_percent: 10,
      initial_jitter: '2s',
      reuse_connection: false,
      always_log_health_check_failures: true,
      tls_options: { alpn_protocols: ['health'] },
      transport_socket_match_criteria: { plain: true },
    });
    expect(faults).toEqual([]);
    expect(config).toMatchObject({
      check: {
        host: 'shop.test',
        path: '/health?full',
        method: 'HEAD',
        protocol: 'http2',
        expected: [[200, 300]],
        retriable: [[500, 600]],
        receive: [Buffer.from('ok'), Buffer.from('ok')],
        responseBufferBytes: 64,
        serviceName: { kind: 'prefix', value: 'shop' },
      },
      intervalJitterMs: 100,
      intervalJitterPercent: 10,
      initialJitterMs: 2_000,
      reuseConnection: false,
      alwaysLogFailures: true,
      alpn: ['health'],
      transportMatch: { plain: 'true' },
    });
  });

  it.each([
    ['none of the kinds', {}, 'health_checks[0]: needs http_health_check, grpc_health_check or tcp_health_check'],
    ['no timeout', { ...tcp, timeout: undefined }, 'health_checks[0].timeout: is missing'],
    ['no interval at all', { ...tcp, interval: '0s' }, 'health_checks[0].interval: must be at least 1 ms'],
    ['no threshold', { ...tcp, healthy_threshold: undefined }, 'health_checks[0].healthy_threshold: is missing'],
    ['a threshold of 0', { ...tcp, unhealthy_threshold: 0 }, 'unhealthy_threshold: 0 is not between 1 and'],
    ['another kind', { custom_health_check: { name: 'redis' } }, 'custom_health_check: is not supported'],
    [
      'the PROXY protocol',
      { tcp_health_check: { proxy_protocol_config: {} } },
      'proxy_protocol_config: is not supported',
    ],
    ['bad hex', { tcp_health_check: { send: { text: 'abc' } } }, 'send.text: is not an even number of hex digits'],
    ['no path', { http_health_check: { path: '' } }, 'http_health_check.path: "" is not a path'],
    ['CONNECT', { http_health_check: { path: '/', method: 'CONNECT' } }, 'method: must not be CONNECT'],
    ['HTTP/3', { http_health_check: { path: '/', codec_client_type: 'HTTP3' } }, 'HTTP3 is not supported'],
    [
      'a status that is none',
      { http_health_check: { path: '/', expected_statuses: [{ start: 99, end: 200 }] } },
      'expected_statuses[0]: 99 to 200 is not a range',
    ],
    [
      'a whole body',
      { http_health_check: { path: '/', response_buffer_size: 0 } },
      'response_buffer_size: 0 is not between 1 and 65536',
    ],
    ['a host with a line break', { http_health_check: { path: '/', host: 'a\r\nb' } }, 'is not a host'],
  ])('is refused with %s', (_what, fields, fault) => {
    expect(check(fields).faults.join('\n')).toContain(fault);
  });

  it('is refused when there are two', () => {
    expect(check(tcp, tcp).faults.join('\n')).toContain('health_checks: has 2 checks; one is supported, as in Envoy');
  });
});

describe('what belongs to health checks elsewhere', () => {
  it('of a cluster: removal, new hosts, connections, TCP keep-alive', () => {
    const { value, faults } = decodeJson(
      ClusterSchema,
      {
        name: 'a',
        load_assignment: { cluster_name: 'a' },
        ignore_health_on_host_removal: true,
        close_connections_on_host_health_failure: true,
        common_lb_config: { ignore_new_hosts_until_first_hc: true },
        upstream_connection_options: { tcp_keepalive: { keepalive_time: 30, keepalive_probes: 3 } },
      },
      decodeCluster,
    );
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      ignoreHealthOnRemoval: true,
      closeConnectionsOnHealthFailure: true,
      ignoreNewHostsUntilChecked: true,
      tcpKeepAlive: { idleMs: 30_000, intervalMs: 0, probes: 3 },
    });
  });

  it('of an endpoint: port, address, host name, or no check', () => {
    const endpoint = (health_check_config: object): unknown => ({
      endpoint: { address: { socket_address: { address: '10.0.0.1', port_value: 80 } }, health_check_config },
    });
    const address = { socket_address: { address: '10.0.0.9', port_value: 81 } };
    const { value, faults } = decodeJson(
      ClusterSchema,
      {
        name: 'a',
        load_assignment: {
          cluster_name: 'a',
          endpoints: [
            {
              lb_endpoints: [
                endpoint({ port_value: 8080, hostname: 'h.test', address }),
                endpoint({ disable_active_health_check: true }),
              ],
            },
          ],
        },
      },
      decodeCluster,
    );
    expect(faults).toEqual([]);
    const { discovery } = value!;
    expect(
      discovery.kind === 'static' && discovery.assignment.localities[0]!.endpoints.map((e) => e.healthCheck),
    ).toEqual([
      { address: { host: '10.0.0.9', port: 81 }, port: 8080, hostname: 'h.test', disabled: false },
      { address: null, port: 0, hostname: '', disabled: true },
    ]);
  });
});
