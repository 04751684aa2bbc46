/** The bootstrap file of a proxy that connections are redirected to, for Envoy and for us alike: an outbound listener as our control plane makes it, or the same behind a listener that callers name. */
import { stringify } from 'yaml';

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;
const loopback = (port: number): unknown => ({ socket_address: { address: '127.0.0.1', port_value: port } });

export interface InterceptedPlace {
  readonly listenPort: number;
  readonly adminPort: number;
  readonly upstreamPort: number;
  readonly intercepted: boolean;
}

export function interceptedBootstrap(place: InterceptedPlace): string {
  const http = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'bench',
      route_config: {
        name: 'bench',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'app', timeout: '0s' } }],
          },
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': type('extensions.filters.http.router.v3.Router') },
        },
      ],
    },
  };
  const listenerFilter = (name: string, of: string): unknown => ({
    name: `envoy.filters.listener.${name}`,
    typed_config: { '@type': type(`extensions.filters.listener.${name}.v3.${of}`) },
  });
  const detection = {
    listener_filters: [
      listenerFilter('original_dst', 'OriginalDst'),
      listenerFilter('tls_inspector', 'TlsInspector'),
      listenerFilter('http_inspector', 'HttpInspector'),
    ],
    listener_filters_timeout: '0.05s',
    continue_on_listener_filters_timeout: true,
    filter_chains: [
      {
        name: 'http',
        filter_chain_match: {
          transport_protocol: 'raw_buffer',
          application_protocols: ['http/1.0', 'http/1.1', 'h2c'],
        },
        filters: [http],
      },
    ],
    default_filter_chain: {
      name: 'passthrough',
      filters: [
        {
          name: 'envoy.filters.network.tcp_proxy',
          typed_config: {
            '@type': type('extensions.filters.network.tcp_proxy.v3.TcpProxy'),
            stat_prefix: 'passthrough',
            cluster: 'passthrough',
          },
        },
      ],
    },
  };
  return stringify({
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: loopback(place.adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'outbound',
          address: loopback(place.listenPort),
          traffic_direction: 'OUTBOUND',
          ...(place.intercepted ? detection : { filter_chains: [{ filters: [http] }] }),
        },
      ],
      clusters: [
        {
          name: 'app',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: 'app',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(place.upstreamPort) } }] }],
          },
        },
        { name: 'passthrough', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '5s' },
      ],
    },
  });
}
