/** The configuration of the differential suite for TCP, which both Envoy and our sidecar take: a listener for each way a connection can go, and one with filter chains of every kind. */
import type { Json } from './envoy-resources.ts';

const type = (name: string): Json => ({ '@type': `type.googleapis.com/envoy.${name}` });
const address = (host: string, port: number): Json => ({ socket_address: { address: host, port_value: port } });

export const listenerNames = [
  'echo',
  'closes',
  'resets',
  'left',
  'refused',
  'thrice',
  'empty',
  'full',
  'unknown',
  'idle',
  'long',
  'denied',
  'tried',
  'chains',
] as const;
export type TcpPorts = Readonly<Record<(typeof listenerNames)[number] | 'admin' | 'closed', number>> & {
  readonly backends: Readonly<Record<'echo' | 'closes' | 'resets' | 'names', number>>;
};

const inspector = (name: string, message: string): Json => ({
  name: `envoy.filters.listener.${name}`,
  typed_config: type(`extensions.filters.listener.${name}.v3.${message}`),
});

export function tcpBootstrap(ports: TcpPorts, logFile: string): Json {
  const { backends } = ports;
  const accessLog = (listener: string): Json => ({
    name: 'file',
    typed_config: {
      ...type('extensions.access_loggers.file.v3.FileAccessLog'),
      path: logFile,
      log_format: {
        json_format: {
          listener,
          flags: '%RESPONSE_FLAGS%',
          status: '%RESPONSE_CODE%',
          protocol: '%PROTOCOL%',
          received: '%BYTES_RECEIVED%',
          sent: '%BYTES_SENT%',
          host: '%UPSTREAM_HOST%',
          cluster: '%UPSTREAM_CLUSTER%',
          sni: '%REQUESTED_SERVER_NAME%',
        },
      },
    },
  });
  const tcp = (name: string, cluster: string, more: Json = {}): Json => ({
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      ...type('extensions.filters.network.tcp_proxy.v3.TcpProxy'),
      stat_prefix: name,
      cluster,
      access_log: [accessLog(name)],
      ...more,
    },
  });
  const rbac = (field: 'rules' | 'shadow_rules'): Json => ({
    name: 'envoy.filters.network.rbac',
    typed_config: {
      ...type('extensions.filters.network.rbac.v3.RBAC'),
      stat_prefix: `${field}.`,
      [field]: {
        action: 'DENY',
        policies: {
          locals: {
            permissions: [{ any: true }],
            principals: [{ direct_remote_ip: { address_prefix: '127.0.0.0', prefix_len: 8 } }],
          },
        },
      },
    },
  });
  const listener = (name: keyof TcpPorts & string, filters: readonly Json[], more: Json = {}): Json => ({
    name,
    address: address('127.0.0.1', ports[name as 'echo']),
    ...(filters.length === 0 ? {} : { filter_chains: [{ filters }] }),
    ...more,
  });
  const cluster = (name: string, port: number | null, more: Json = {}): Json => ({
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: port === null ? [] : [{ lb_endpoints: [{ endpoint: { address: address('127.0.0.1', port) } }] }],
    },
    ...more,
  });
  const chain = (name: string, match: Json): Json => ({
    name,
    filter_chain_match: match,
    filters: [tcp(name, 'names')],
  });
  return {
    node: { id: 'tcp', cluster: 'test/tcp' },
    admin: { address: address('127.0.0.1', ports.admin) },
    static_resources: {
      listeners: [
        listener('echo', [tcp('echo', 'echo')]),
        listener('closes', [tcp('closes', 'closes')]),
        listener('resets', [tcp('resets', 'resets')]),
        listener('left', [tcp('left', 'left')]),
        listener('refused', [tcp('refused', 'refused')]),
        listener('thrice', [tcp('thrice', 'thrice', { max_connect_attempts: 3 })]),
        listener('empty', [tcp('empty', 'empty')]),
        listener('full', [tcp('full', 'full')]),
        listener('unknown', [tcp('unknown', 'nobody-knows')]),
        listener('idle', [tcp('idle', 'idle', { idle_timeout: '0.2s' })]),
        listener('long', [tcp('long', 'long', { max_downstream_connection_duration: '0.2s' })]),
        listener('denied', [rbac('rules'), tcp('denied', 'echo')]),
        listener('tried', [rbac('shadow_rules'), tcp('tried', 'echo')]),
        listener('chains', [], {
          address: address('0.0.0.0', ports.chains),
          listener_filters: [inspector('tls_inspector', 'TlsInspector'), inspector('http_inspector', 'HttpInspector')],
          filter_chains: [
            chain('sni', { server_names: ['db.shop'] }),
            chain('sni-alpn', { server_names: ['db.shop'], application_protocols: ['h2'] }),
            chain('wildcard', { server_names: ['*.shop'] }),
            chain('longer', { server_names: ['*.eu.shop'], transport_protocol: 'tls' }),
            chain('tls', { transport_protocol: 'tls' }),
            chain('alpn', { transport_protocol: 'tls', application_protocols: ['istio', 'h2'] }),
            chain('http', { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'http/1.0'] }),
            chain('h2c', { transport_protocol: 'raw_buffer', application_protocols: ['h2c'] }),
            chain('plain', { transport_protocol: 'raw_buffer' }),
            chain('two', { prefix_ranges: [{ address_prefix: '127.0.0.2', prefix_len: 32 }] }),
            chain('two-local', {
              prefix_ranges: [{ address_prefix: '127.0.0.2', prefix_len: 32 }],
              source_type: 'SAME_IP_OR_LOOPBACK',
            }),
            chain('three', {
              prefix_ranges: [{ address_prefix: '127.0.0.3', prefix_len: 32 }],
              source_prefix_ranges: [{ address_prefix: '127.0.0.9', prefix_len: 32 }],
            }),
            chain('three-wide', {
              prefix_ranges: [{ address_prefix: '127.0.0.3', prefix_len: 32 }],
              source_prefix_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 24 }],
            }),
            chain('four-external', {
              prefix_ranges: [{ address_prefix: '127.0.0.4', prefix_len: 32 }],
              source_type: 'EXTERNAL',
            }),
            chain('five-direct', {
              prefix_ranges: [{ address_prefix: '127.0.0.5', prefix_len: 32 }],
              direct_source_prefix_ranges: [{ address_prefix: '127.0.0.9', prefix_len: 32 }],
            }),
            chain('wide', {
              prefix_ranges: [{ address_prefix: '127.0.0.6', prefix_len: 31 }],
              transport_protocol: 'tls',
            }),
          ],
          default_filter_chain: { name: 'default', filters: [tcp('default', 'names')] },
        }),
      ],
      clusters: [
        cluster('echo', backends.echo),
        cluster('left', backends.echo),
        cluster('idle', backends.echo),
        cluster('long', backends.echo),
        cluster('closes', backends.closes),
        cluster('resets', backends.resets),
        cluster('names', backends.names),
        cluster('refused', ports.closed),
        cluster('thrice', ports.closed),
        cluster('empty', null),
        cluster('full', backends.echo, { circuit_breakers: { thresholds: [{ max_connections: 1 }] } }),
      ],
    },
  };
}
