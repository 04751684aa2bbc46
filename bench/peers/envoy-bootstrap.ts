/** The bootstrap file that Envoy and Outrigger both run from, unchanged but for extensions that are ours. */
import { stringify } from 'yaml';
import { type BenchTracing, firstClusterWeight, otherRoutePrefixes, type ProxySetup } from '../proxy.ts';
import { allowPolicies } from '../rbac-rules.ts';
import { inboundLimitsFilter, resilienceFilters, resilientCluster, resilientRoute } from '../resilience-policies.ts';

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;
const loopback = (port: number): unknown => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** `ours`: with the extensions that only our sidecar has. */
export function envoyBootstrap(setup: ProxySetup, ours = false): string {
  return stringify({
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: loopback(setup.adminPort) },
    static_resources: {
      listeners: [listener(setup, ours)],
      clusters: [
        ...['first', 'second', 'other'].map((name) => cluster(name, setup, ours)),
        ...(setup.tracing === undefined ? [] : [collector(setup.tracing)]),
      ],
    },
    ...(setup.tracing === undefined || ours ? {} : { layered_runtime: asLargeBatches }),
  });
}

function listener(setup: ProxySetup, ours: boolean): unknown {
  const manager = {
    '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'bench',
    codec_type: setup.downstream === 'http1' ? 'HTTP1' : 'HTTP2',
    route_config: { name: 'bench', virtual_hosts: [{ name: 'all', domains: ['*'], routes: routes(setup, ours) }] },
    ...(setup.tracing === undefined ? {} : { tracing: tracing(setup.tracing) }),
    ...(setup.accessLog === true ? { access_log: [accessLog(setup)] } : {}),
    http_filters: [
      ...(setup.policies === 0 ? [] : [rbac(setup.policies)]),
      ...(setup.resilience && ours ? [inboundLimitsFilter] : []),
      ...(setup.resilience ? resilienceFilters : []),
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': type('extensions.filters.http.router.v3.Router') },
      },
    ],
  };
  return {
    name: 'bench',
    address: loopback(setup.listenPort),
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
        ...(setup.listenTls === null ? {} : { transport_socket: listeningSocket(setup.listenTls, setup.downstream) }),
      },
    ],
  };
}

/** Envoy sends 5 spans at a time by default. It gets batches as large as ours. */
const asLargeBatches = {
  layers: [{ name: 'bench', static_layer: { 'tracing.opentelemetry.min_flush_spans': 512 } }],
};

function tracing({ percent }: BenchTracing): unknown {
  return {
    random_sampling: { value: percent },
    // As our control plane asks for: one span of the request, one of its attempt.
    spawn_upstream_span: true,
    provider: {
      name: 'envoy.tracers.opentelemetry',
      typed_config: {
        '@type': type('config.trace.v3.OpenTelemetryConfig'),
        grpc_service: { envoy_grpc: { cluster_name: 'collector' }, timeout: '10s' },
        service_name: 'bench',
      },
    },
  };
}

function collector({ collectorPort }: BenchTracing): unknown {
  return {
    name: 'collector',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: 'collector',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(collectorPort) } }] }],
    },
    typed_extension_protocol_options: http2Options,
  };
}

const operators = [
  ...['START_TIME', 'REQ(:METHOD)', 'REQ(:PATH)', 'REQ(:AUTHORITY)', 'PROTOCOL', 'RESPONSE_CODE', 'RESPONSE_FLAGS'],
  ...['RESPONSE_CODE_DETAILS', 'BYTES_RECEIVED', 'BYTES_SENT', 'DURATION', 'UPSTREAM_HOST', 'UPSTREAM_CLUSTER'],
  ...['ROUTE_NAME', 'REQ(X-REQUEST-ID)', 'REQ(USER-AGENT)', 'DOWNSTREAM_REMOTE_ADDRESS', 'DOWNSTREAM_LOCAL_ADDRESS'],
];
/** A line such as people have, by name. */
export const benchLogFields: Readonly<Record<string, string>> = Object.fromEntries(
  operators.map((each) => [each.toLowerCase(), `%${each}%`]),
);

function accessLog({ folder }: ProxySetup): unknown {
  return {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': type('extensions.access_loggers.file.v3.FileAccessLog'),
      path: `${folder}/access.log`,
      log_format: { json_format: benchLogFields },
    },
  };
}

function rbac(policies: number): unknown {
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: {
      '@type': type('extensions.filters.http.rbac.v3.RBAC'),
      rules: { action: 'ALLOW', policies: allowPolicies(policies) },
    },
  };
}

function routes(setup: ProxySetup, ours: boolean): unknown[] {
  const weighted = {
    clusters: [
      { name: 'first', weight: firstClusterWeight },
      { name: 'second', weight: 100 - firstClusterWeight },
    ],
  };
  return [
    {
      match: { prefix: '/', headers: [{ name: 'x-tenant', string_match: { exact: 'other' } }] },
      route: { cluster: 'other' },
    },
    ...otherRoutePrefixes(setup).map((prefix) => ({ match: { prefix }, route: { cluster: 'other' } })),
    setup.resilience
      ? resilientRoute({ weighted_clusters: weighted, timeout: '15s' }, ours)
      : { match: { prefix: '/' }, route: { weighted_clusters: weighted, timeout: '0s' } },
  ];
}

function cluster(name: string, setup: ProxySetup, ours: boolean): unknown {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(setup.upstreamPort) } }] }],
    },
    ...(setup.upstream === 'http1' ? {} : { typed_extension_protocol_options: http2Options }),
    ...(setup.tls === null ? {} : { transport_socket: transportSocket(setup.tls) }),
    ...(setup.resilience ? resilientCluster(ours) : {}),
  };
}

const http2Options = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
    explicit_http_config: { http2_protocol_options: {} },
  },
};

function transportSocket(tls: NonNullable<ProxySetup['tls']>): unknown {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': type('extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
      sni: tls.serverName,
      common_tls_context: commonTls(tls),
    },
  };
}

function listeningSocket(tls: NonNullable<ProxySetup['tls']>, downstream: ProxySetup['downstream']): unknown {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': type('extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
      require_client_certificate: true,
      common_tls_context: { ...commonTls(tls), alpn_protocols: [downstream === 'http1' ? 'http/1.1' : 'h2'] },
    },
  };
}

function commonTls(tls: NonNullable<ProxySetup['tls']>): object {
  return {
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_3',
      tls_maximum_protocol_version: 'TLSv1_3',
      // Envoy's default. Ours begins with X25519MLKEM768, which would be other work.
      ecdh_curves: ['X25519', 'P-256'],
    },
    tls_certificates: [
      { certificate_chain: { filename: tls.certificateFile }, private_key: { filename: tls.keyFile } },
    ],
    validation_context: {
      trusted_ca: { filename: tls.caFile },
      match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: tls.serverName } }],
    },
  };
}
