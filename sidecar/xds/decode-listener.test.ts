import { describe, expect, it } from 'vitest';
import { ListenerSchema } from './api/envoy/config/listener/v3/listener_pb.js';
import { decodeListener } from './decode-listener.ts';
import { decodeJson } from './test/decode-json.ts';

type Fields = Readonly<Record<string, unknown>>;

const type = (name: string): Fields => ({ '@type': `type.googleapis.com/${name}` });
const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const router = {
  name: 'envoy.filters.http.router',
  typed_config: type('envoy.extensions.filters.http.router.v3.Router'),
};
const rds = { route_config_name: 'main', config_source: { ads: {} } };
const managerPath = 'filter_chains[0].filters[0].typed_config';

const manager = (fields: Fields = {}): Fields => ({
  name: 'http',
  typed_config: { ...type(managerType), stat_prefix: 'in', rds, http_filters: [router], ...fields },
});
const chain = (fields: Fields = {}, managerFields: Fields = {}): Fields => ({
  filters: [manager(managerFields)],
  ...fields,
});

const originalDst = {
  name: 'envoy.filters.listener.original_dst',
  typed_config: type('envoy.extensions.filters.listener.original_dst.v3.OriginalDst'),
};
const networkRbac = {
  name: 'envoy.filters.network.rbac',
  typed_config: {
    ...type('envoy.extensions.filters.network.rbac.v3.RBAC'),
    stat_prefix: 'tcp.',
    rules: { policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } },
  },
};
const tcpProxy = (fields: Fields = {}): Fields => ({
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: {
    ...type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: 'db',
    cluster: 'outbound|5432||db.shop',
    ...fields,
  },
});
const tcpChain = (fields: Fields = {}): Fields => ({ filters: [tcpProxy(fields)] });

function listener(fields: Fields = {}) {
  const json = {
    name: 'in',
    address: { socket_address: { address: '127.0.0.1', port_value: 15006 } },
    filter_chains: [chain()],
    ...fields,
  };
  return decodeJson(ListenerSchema, JSON.parse(JSON.stringify(json)), decodeListener);
}

/** A listener whose connection manager has these fields. */
const withManager = (fields: Fields) => listener({ filter_chains: [chain({}, fields)] });

describe('a listener', () => {
  it('has the defaults where nothing is said', () => {
    const { value, faults } = listener();
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      name: 'in',
      address: { host: '127.0.0.1', port: 15006 },
      direction: 'unspecified',
      defaultFilterChain: null,
      bufferLimitBytes: 1024 * 1024,
      inspectTls: false,
      listenerFiltersTimeoutMs: 15_000,
    });
    expect(value!.filterChains[0]).toMatchObject({
      match: { destinationPort: null, serverNames: [], transportProtocol: '', applicationProtocols: [] },
      tls: null,
      handshakeTimeoutMs: 10_000,
      httpConnectionManager: {
        statPrefix: 'in',
        codec: 'auto',
        routes: { kind: 'rds', name: 'main' },
        connectionIdleTimeoutMs: 3_600_000,
        streamIdleTimeoutMs: 300_000,
        requestHeadersTimeoutMs: 10_000,
        drainTimeoutMs: 5_000,
        maxHeadBytes: 64 * 1024,
        maxFields: 200,
        serverHeaderTransformation: 'pass_through',
        generateRequestId: true,
        upgrades: { allowAll: true },
      },
    });
  });

  it('takes a TCP proxy with RBAC before it', () => {
    const { value, faults } = listener({
      filter_chains: [
        {
          filters: [
            networkRbac,
            tcpProxy({
              cluster: undefined,
              weighted_clusters: {
                clusters: [
                  { name: 'a', weight: 1 },
                  { name: 'b', weight: 3 },
                ],
              },
              idle_timeout: '90s',
              max_connect_attempts: 3,
              max_downstream_connection_duration: '600s',
              access_log: [
                { name: 'log', typed_config: type('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog') },
              ],
            }),
          ],
        },
      ],
      default_filter_chain: tcpChain(),
    });
    expect(faults).toEqual([]);
    expect(value!.filterChains[0]).toMatchObject({
      httpConnectionManager: null,
      tcpProxy: {
        statPrefix: 'db',
        clusters: [
          { name: 'a', weight: 1 },
          { name: 'b', weight: 3 },
        ],
        idleTimeoutMs: 90_000,
        maxConnectAttempts: 3,
        maxConnectionDurationMs: 600_000,
        accessLogs: [{ sink: { kind: 'stdout' } }],
        rbac: [{ kind: 'rbac', rulesStatPrefix: 'tcp.', rules: { action: 'allow' } }],
      },
    });
    expect(value!.defaultFilterChain!.tcpProxy).toMatchObject({
      clusters: [{ name: 'outbound|5432||db.shop', weight: 1 }],
      idleTimeoutMs: 3_600_000,
      maxConnectAttempts: 1,
      maxConnectionDurationMs: 0,
    });
  });

  it('takes what interception needs: listener filters, further addresses, matches by address and source', () => {
    const inspector = (name: string, message: string, more: Fields = {}): Fields => ({
      name: `envoy.filters.listener.${name}`,
      typed_config: type(`envoy.extensions.filters.listener.${name}.v3.${message}`),
      ...more,
    });
    const { value, faults } = listener({
      additional_addresses: [{ address: { socket_address: { address: '::1', port_value: 15001 } } }],
      transparent: true,
      freebind: true,
      listener_filters: [
        originalDst,
        inspector('tls_inspector', 'TlsInspector'),
        inspector('http_inspector', 'HttpInspector', {
          filter_disabled: {
            or_match: {
              rules: [
                { destination_port_range: { start: 3306, end: 3307 } },
                { not_match: { destination_port_range: { start: 1, end: 9000 } } },
              ],
            },
          },
        }),
        {
          name: 'envoy.filters.listener.original_src',
          typed_config: { ...type('envoy.extensions.filters.listener.original_src.v3.OriginalSrc'), mark: 1337 },
        },
      ],
      listener_filters_timeout: '0.05s',
      continue_on_listener_filters_timeout: true,
      filter_chains: [
        chain({
          filter_chain_match: {
            destination_port: 80,
            prefix_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }],
            source_type: 'EXTERNAL',
            source_prefix_ranges: [{ address_prefix: '10.1.0.0', prefix_len: 16 }],
            source_ports: [1024],
          },
        }),
      ],
    });
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      additionalAddresses: [{ host: '::1', port: 15001 }],
      transparent: true,
      freebind: true,
      originalDestination: true,
      inspectTls: true,
      inspectHttp: true,
      httpDisabled: {
        kind: 'or',
        of: [
          { kind: 'ports', start: 3306, end: 3307 },
          { kind: 'not', of: { kind: 'ports', start: 1, end: 9000 } },
        ],
      },
      originalSource: { mark: 1337 },
      listenerFiltersTimeoutMs: 50,
      continueOnTimeout: true,
    });
    expect(value!.filterChains[0]!.match).toMatchObject({
      destinationPort: 80,
      prefixRanges: [{ address: '10.0.0.0', prefixBits: 8 }],
      sourceType: 'external',
      sourceRanges: [{ address: '10.1.0.0', prefixBits: 16 }],
      sourcePorts: [1024],
    });
  });

  it('cannot be changed once it is made', () => {
    expect(Object.isFrozen(listener().value)).toBe(true);
    expect(Object.isFrozen(listener().value!.filterChains[0]!.httpConnectionManager)).toBe(true);
  });

  it('takes what is said', () => {
    const { value, faults } = listener({
      traffic_direction: 'INBOUND',
      per_connection_buffer_limit_bytes: 4096,
      listener_filters: [
        {
          name: 'tls',
          typed_config: type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector'),
        },
      ],
      listener_filters_timeout: '2s',
      filter_chains: [
        chain(
          {
            name: 'one',
            filter_chain_match: { destination_port: 80, server_names: ['A.example'], transport_protocol: 'tls' },
            transport_socket_connect_timeout: '3s',
          },
          {
            codec_type: 'HTTP2',
            common_http_protocol_options: { idle_timeout: '60s', max_headers_count: 50 },
            max_request_headers_kb: 8192,
            stream_idle_timeout: '0s',
            server_name: 'shop',
            merge_slashes: true,
            path_with_escaped_slashes_action: 'REJECT_REQUEST',
            strip_any_host_port: true,
            upgrade_configs: [{ upgrade_type: 'WebSocket' }, { upgrade_type: 'h2c', enabled: false }],
          },
        ),
      ],
      default_filter_chain: chain({ name: 'rest' }),
    });
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      direction: 'inbound',
      bufferLimitBytes: 4096,
      inspectTls: true,
      listenerFiltersTimeoutMs: 2_000,
      defaultFilterChain: { name: 'rest' },
    });
    expect(value!.filterChains[0]).toMatchObject({
      name: 'one',
      match: { destinationPort: 80, serverNames: ['a.example'], transportProtocol: 'tls' },
      handshakeTimeoutMs: 3_000,
      httpConnectionManager: {
        codec: 'http2',
        connectionIdleTimeoutMs: 60_000,
        maxFields: 50,
        maxHeadBytes: 8192 * 1024,
        streamIdleTimeoutMs: 0,
        serverName: 'shop',
        serverHeaderTransformation: 'overwrite',
        mergeSlashes: true,
        escapedSlashes: 'reject',
        stripHostPort: 'any',
        upgrades: { allowAll: false, allowed: ['websocket'], denied: ['h2c'] },
      },
    });
  });

  it.each<[string, Fields, string]>([
    ['no address', { address: undefined }, 'address: has no socket_address'],
    [
      'a name for an address',
      { address: { socket_address: { address: 'example.org', port_value: 80 } } },
      'address.socket_address.address: "example.org" is not an IP address',
    ],
    [
      'a port that is none',
      { address: { socket_address: { address: '127.0.0.1', port_value: 65536 } } },
      'address.socket_address.port_value: 65536 is not a port',
    ],
    [
      'UDP',
      { address: { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: 1 } } },
      'filter_chains: a listener of UDP has none',
    ],
    ['no filter chain', { filter_chains: [] }, 'filter_chains: needs at least one filter chain'],
    [
      'two chains for the same connections',
      { filter_chains: [chain({ name: 'a' }), chain({ name: 'b' })] },
      'filter_chains[1].filter_chain_match: is the same as that of another filter chain',
    ],
    [
      'a destination port of 0',
      { filter_chains: [chain({ filter_chain_match: { destination_port: 0 } })] },
      'filter_chains[0].filter_chain_match.destination_port: 0 is not between 1 and 65535',
    ],
    [
      'a transport protocol that no listener filter finds',
      { filter_chains: [chain({ filter_chain_match: { transport_protocol: 'quic' } })] },
      'filter_chains[0].filter_chain_match.transport_protocol: "quic" is neither raw_buffer nor tls',
    ],
    [
      'a match by a suffix of the address',
      { filter_chains: [chain({ filter_chain_match: { address_suffix: '1' } })] },
      'filter_chains[0].filter_chain_match.address_suffix: is not supported',
    ],
    [
      'chains that overlap in one port',
      {
        filter_chains: [
          chain({ name: 'a', filter_chain_match: { source_ports: [1, 2] } }),
          chain({ name: 'b', filter_chain_match: { source_ports: [2, 3] } }),
        ],
      },
      'filter_chains[1].filter_chain_match: is the same as that of another filter chain, or overlaps with it',
    ],
    [
      'a server name with a * within a label',
      { filter_chains: [chain({ filter_chain_match: { server_names: ['a*.shop'] } })] },
      'filter_chains[0].filter_chain_match.server_names[0]: "a*.shop" has a *',
    ],
    [
      'the same address twice',
      {
        additional_addresses: [
          { address: { socket_address: { address: '::1', port_value: 15001 } } },
          { address: { socket_address: { address: '::1', port_value: 15001 } } },
        ],
      },
      'additional_addresses[1].address: [::1]:15001 is there twice',
    ],
    [
      'a listener filter twice',
      { listener_filters: [originalDst, originalDst] },
      'listener_filters[1]: envoy.extensions.filters.listener.original_dst.v3.OriginalDst is there twice',
    ],
    [
      'an original_dst that is disabled somewhere',
      { listener_filters: [{ ...originalDst, filter_disabled: { any_match: true } }] },
      'listener_filters[0].filter_disabled: is not supported of',
    ],
    [
      'an access log of every connection',
      {
        access_log: [
          {
            name: 'log',
            typed_config: type('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog'),
          },
        ],
      },
      'access_log: needs the filter for errors',
    ],
    [
      'a handshake that may take two days',
      { filter_chains: [chain({ transport_socket_connect_timeout: '172800s' })] },
      'filter_chains[0].transport_socket_connect_timeout: 172800 s is above 86400 s',
    ],
    [
      'first bytes that may take two days',
      { listener_filters_timeout: '172800s' },
      'listener_filters_timeout: 172800 s is above 86400 s',
    ],
    [
      'no network filter',
      { filter_chains: [{ filters: [] }] },
      'filter_chains[0].filters: there are no network filters',
    ],
    [
      'two network filters',
      { filter_chains: [{ filters: [manager(), manager()] }] },
      'HttpConnectionManager is the last of the network filters, and others follow',
    ],
    [
      'a TCP proxy without a cluster',
      { filter_chains: [tcpChain({ cluster: undefined })] },
      'filter_chains[0].filters[0].typed_config: needs cluster or weighted_clusters',
    ],
    [
      'a TCP proxy through a tunnel',
      { filter_chains: [tcpChain({ tunneling_config: { hostname: 'a' } })] },
      'filter_chains[0].filters[0].typed_config.tunneling_config: is not supported',
    ],
    [
      'a cluster without weight',
      { filter_chains: [tcpChain({ cluster: undefined, weighted_clusters: { clusters: [{ name: 'a' }] } })] },
      'filter_chains[0].filters[0].typed_config.weighted_clusters.clusters[0].weight: must be at least 1',
    ],
    [
      'network RBAC before HTTP',
      { filter_chains: [{ filters: [networkRbac, manager()] }] },
      'filter_chains[0].filters[1].typed_config: network RBAC is supported before tcp_proxy',
    ],
    [
      'network RBAC alone',
      { filter_chains: [{ filters: [networkRbac] }] },
      'filter_chains[0].filters[0].typed_config: an RBAC filter is followed by another',
    ],
    [
      'something that is no network filter',
      { filter_chains: [{ filters: [{ ...router }] }] },
      'filter_chains[0].filters[0].typed_config: envoy.extensions.filters.http.router.v3.Router is not a network filter',
    ],
    ['interception', { use_original_dst: true }, 'use_original_dst: is not supported'],
  ])('is refused with %s', (_what, fields, fault) => {
    const { value, faults } = listener(fields);
    expect(faults.join('\n')).toContain(fault);
    expect(value).toBeNull();
  });

  it('names every fault, not only the first', () => {
    const { faults } = listener({
      address: { socket_address: { address: 'x', port_value: 1 } },
      filter_chains: [chain({}, { stat_prefix: '', codec_type: 'HTTP3', http_filters: [] })],
    });
    expect(faults).toHaveLength(4);
  });
});

describe('an HTTP connection manager', () => {
  it.each<[string, Fields, string]>([
    ['no prefix for its statistics', { stat_prefix: '' }, 'stat_prefix: must not be empty'],
    ['HTTP/3', { codec_type: 'HTTP3' }, 'codec_type: HTTP3 is not supported'],
    ['no routes', { rds: undefined }, ': needs route_config or rds'],
    ['routes without a name', { rds: { config_source: { ads: {} } } }, 'rds.route_config_name: must not be empty'],
    ['no http filter', { http_filters: [] }, 'http_filters: needs envoy.filters.http.router as the last filter'],
    [
      'the router twice',
      { http_filters: [router, router] },
      'http_filters[0]: the router must be the last filter, once',
    ],
    [
      'another http filter',
      { http_filters: [{ name: 'lua', typed_config: type('envoy.extensions.filters.http.lua.v3.Lua') }, router] },
      'http_filters[0].typed_config: envoy.extensions.filters.http.lua.v3.Lua is not supported',
    ],
    [
      'a router that hides what it does',
      { http_filters: [{ ...router, typed_config: { ...router.typed_config, suppress_envoy_headers: true } }] },
      'http_filters[0].typed_config.suppress_envoy_headers: is not supported',
    ],
    ['a time for whole requests below 0', { request_timeout: '-1s' }, 'request_timeout: -1000 ms is not a usable'],
    ['a time below 0', { stream_idle_timeout: '-1s' }, 'stream_idle_timeout: -1000 ms is not a usable duration'],
    ['no room for headers', { max_request_headers_kb: 0 }, 'max_request_headers_kb: 0 is not between 1 and 8192'],
    [
      'too much room for headers',
      { max_request_headers_kb: 8193 },
      'max_request_headers_kb: 8193 is not between 1 and 8192',
    ],
    [
      'no header',
      { common_http_protocol_options: { max_headers_count: 0 } },
      'common_http_protocol_options.max_headers_count: 0 is not between 1 and 65535',
    ],
    [
      'room for more headers than there is memory',
      { common_http_protocol_options: { max_headers_count: 4294967295 } },
      'common_http_protocol_options.max_headers_count: 4294967295 is not between 1 and 65535',
    ],
    [
      'a window below the least (RFC 9113 6.9.2)',
      { http2_protocol_options: { initial_connection_window_size: 1 } },
      'http2_protocol_options.initial_connection_window_size: 1 is not between 65535',
    ],
    ['a header that is two', { server_name: 'a\r\nx: y' }, 'server_name: has a character that may not stand'],
    ['a via that is two', { via: 'a\nb' }, 'via: has a character that may not stand'],
    ['an upgrade to nothing', { upgrade_configs: [{}] }, 'upgrade_configs[0].upgrade_type: must not be empty'],
    ['a log without a sink', { access_log: [{ name: 'file' }] }, 'access_log[0].typed_config: is missing'],
    [
      'a log without a file',
      {
        access_log: [{ name: 'f', typed_config: type('envoy.extensions.access_loggers.file.v3.FileAccessLog') }],
      },
      'access_log[0].typed_config.path: must not be empty',
    ],
    [
      'a log format with an operator that is unknown',
      {
        access_log: [
          {
            name: 'f',
            typed_config: {
              ...type('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
              path: '/dev/stdout',
              log_format: { text_format_source: { inline_string: '%NO_SUCH%' } },
            },
          },
        ],
      },
      'access_log[0].typed_config.log_format.text_format_source.inline_string',
    ],
    [
      'a log filter of another kind',
      {
        access_log: [
          {
            name: 'f',
            filter: { response_flag_filter: { flags: ['XX'] } },
            typed_config: type('envoy.extensions.access_loggers.stream.v3.StderrAccessLog'),
          },
        ],
      },
      'access_log[0].filter.response_flag_filter.flags[0]: "XX" is not a response flag',
    ],
    [
      'a route that is refused',
      { rds: undefined, route_config: { name: 'r', virtual_hosts: [{ name: 'v', domains: [] }] } },
      'route_config.virtual_hosts[0].domains: needs at least one domain',
    ],
  ])('is refused with %s', (_what, fields, fault) => {
    const { value, faults } = withManager(fields);
    const text = faults.join('\n');
    expect(text).toContain(fault);
    expect(text).toContain(managerPath);
    expect(value).toBeNull();
  });

  it('takes log formats and sinks', () => {
    const { value, faults } = withManager({
      access_log: [
        {
          name: 'a',
          typed_config: {
            ...type('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
            path: '/dev/stdout',
            json_format: { code: '%RESPONSE_CODE%' },
          },
        },
        { name: 'b', typed_config: type('envoy.extensions.access_loggers.stream.v3.StderrAccessLog') },
      ],
    });
    expect(faults).toEqual([]);
    expect(value!.filterChains[0]!.httpConnectionManager!.accessLogs).toEqual([
      {
        sink: {
          kind: 'stdout',
          format: { kind: 'json', value: { fields: [['code', '%RESPONSE_CODE%']] }, omitEmpty: false },
        },
        filter: null,
      },
      { sink: { kind: 'stderr', format: { kind: 'default' } }, filter: null },
    ]);
  });
});
