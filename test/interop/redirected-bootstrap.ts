/** A bootstrap for redirected traffic that Envoy takes as well: everything goes where it was going; HTTP through a connection manager, the rest as TCP. */
import type { Json } from './envoy-resources.ts';
import { addresses } from './redirected-network.ts';

const type = (name: string): Json => ({ '@type': `type.googleapis.com/envoy.${name}` });
const address = (host: string, port: number): Json => ({ socket_address: { address: host, port_value: port } });
const filter = (name: string, message: string, more: Json = {}): Json => ({
  name: `envoy.filters.listener.${name}`,
  typed_config: { ...type(`extensions.filters.listener.${name}.v3.${message}`), ...more },
});

const tcp = (cluster: string): Json => ({
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: { ...type('extensions.filters.network.tcp_proxy.v3.TcpProxy'), stat_prefix: cluster, cluster },
});

const http = (cluster: string): Json => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    ...type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: cluster,
    route_config: {
      name: cluster,
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster } }],
          response_headers_to_add: [{ header: { key: 'x-by', value: cluster } }],
        },
      ],
    },
    http_filters: [
      { name: 'envoy.filters.http.router', typed_config: type('extensions.filters.http.router.v3.Router') },
    ],
  },
});

const detection: Json = {
  listener_filters_timeout: '0.05s',
  continue_on_listener_filters_timeout: true,
};

const passthrough = (name: string, more: Json = {}): Json => ({
  name,
  type: 'ORIGINAL_DST',
  lb_policy: 'CLUSTER_PROVIDED',
  connect_timeout: '2s',
  ...more,
});

const fixed = (name: string, host: string): Json => ({
  name,
  type: 'STATIC',
  connect_timeout: '2s',
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(host, 9000) } }] }],
  },
});

/** `transparent`: inbound by TPROXY, with the caller's address as the source of what goes to the application. */
export function redirectedBootstrap(adminPort: number, transparent: boolean): Json {
  const inbound = transparent
    ? passthrough('passthrough-in')
    : passthrough('passthrough-in', {
        upstream_bind_config: {
          source_address: { address: '127.0.0.6', port_value: 0 },
          extra_source_addresses: [{ address: { address: '::6', port_value: 0 } }],
        },
      });
  return {
    node: { id: 'redirected', cluster: 'test/redirected' },
    admin: { address: address('127.0.0.1', adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'outbound',
          address: address('127.0.0.1', 15001),
          additional_addresses: [{ address: address('::1', 15001) }],
          traffic_direction: 'OUTBOUND',
          listener_filters: [
            filter('original_dst', 'OriginalDst'),
            filter('tls_inspector', 'TlsInspector'),
            filter('http_inspector', 'HttpInspector'),
          ],
          ...detection,
          filter_chains: [
            {
              name: 'http',
              filter_chain_match: { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'h2c'] },
              filters: [http('passthrough')],
            },
            {
              name: 'one-address',
              filter_chain_match: {
                destination_port: 9001,
                prefix_ranges: [{ address_prefix: addresses.IPv4.other, prefix_len: 32 }],
              },
              filters: [tcp('named')],
            },
          ],
          default_filter_chain: { name: 'tcp', filters: [tcp('passthrough')] },
        },
        {
          name: 'inbound',
          address: address('0.0.0.0', 15006),
          additional_addresses: [{ address: address('::', 15006) }],
          traffic_direction: 'INBOUND',
          ...(transparent ? { transparent: true } : {}),
          listener_filters: [
            filter('original_dst', 'OriginalDst'),
            ...(transparent ? [filter('original_src', 'OriginalSrc', { mark: 1337 })] : []),
            filter('tls_inspector', 'TlsInspector'),
            filter('http_inspector', 'HttpInspector'),
          ],
          ...detection,
          filter_chains: [
            {
              name: 'http',
              filter_chain_match: { destination_port: 8080, application_protocols: ['http/1.1', 'h2c'] },
              filters: [http('passthrough-in')],
            },
            // As our control plane has ports of the application that it knows.
            ...(transparent
              ? [{ name: 'app', filter_chain_match: { destination_port: 9000 }, filters: [tcp('app')] }]
              : []),
          ],
          default_filter_chain: { name: 'tcp', filters: [tcp('passthrough-in')] },
        },
      ],
      clusters: [passthrough('passthrough'), inbound, fixed('named', addresses.IPv4.other), fixed('app', '127.0.0.1')],
    },
  };
}
