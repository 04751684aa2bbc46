/** Short ways to write the Envoy resources that the tests need, in Envoy's own field names. The same objects serve as bootstrap file and as xDS snapshot. */

export type Json = { readonly [key: string]: unknown };

const typeUrl = (name: string): string => `type.googleapis.com/envoy.${name}`;

export function loopback(port: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

export interface ListenerOptions {
  readonly name: string;
  readonly port: number;
  readonly codec?: 'AUTO' | 'HTTP1' | 'HTTP2';
  /** Extra fields of the HTTP connection manager. */
  readonly manager?: Json;
  readonly transportSocket?: Json;
}

/** A listener whose routes stand in it. */
export function listener(options: ListenerOptions, routeConfiguration: Json): Json {
  return listenerWith(options, { route_config: routeConfiguration });
}

/** A listener that asks for its routes over ADS. */
export function rdsListener(options: ListenerOptions, routeName: string): Json {
  return listenerWith(options, {
    rds: { route_config_name: routeName, config_source: { ads: {}, resource_api_version: 'V3' } },
  });
}

function listenerWith(options: ListenerOptions, routes: Json): Json {
  const manager = {
    '@type': typeUrl('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: options.name,
    codec_type: options.codec ?? 'AUTO',
    ...routes,
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': typeUrl('extensions.filters.http.router.v3.Router') },
      },
    ],
    ...options.manager,
  };
  return {
    name: options.name,
    address: loopback(options.port),
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
        ...(options.transportSocket === undefined ? {} : { transport_socket: options.transportSocket }),
      },
    ],
  };
}

/** A route configuration with one virtual host for every domain. */
export function routeConfiguration(name: string, routes: readonly Json[]): Json {
  return { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes }] };
}

export function routeTo(cluster: string, prefix = '/'): Json {
  return { match: { prefix }, route: { cluster } };
}

export interface ClusterOptions {
  readonly name: string;
  readonly http2?: boolean;
}

export function staticCluster(options: ClusterOptions, ports: readonly number[]): Json {
  return { ...clusterBase(options), type: 'STATIC', load_assignment: loadAssignment(options.name, ports) };
}

export function edsCluster(options: ClusterOptions): Json {
  return {
    ...clusterBase(options),
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
  };
}

export function loadAssignment(cluster: string, ports: readonly number[]): Json {
  return {
    cluster_name: cluster,
    endpoints:
      ports.length === 0
        ? []
        : [
            {
              locality: {},
              load_balancing_weight: 1,
              lb_endpoints: ports.map((port) => ({ endpoint: { address: loopback(port) } })),
            },
          ],
  };
}

function clusterBase(options: ClusterOptions): Json {
  return {
    name: options.name,
    connect_timeout: '1s',
    ...(options.http2 === true
      ? {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': typeUrl('extensions.upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }
      : {}),
  };
}

export type XdsVariant = 'GRPC' | 'DELTA_GRPC';

/** A bootstrap that takes everything from a control plane. */
export function adsBootstrap(options: {
  readonly node: Json;
  readonly adminPort: number;
  readonly xdsPort: number;
  readonly variant: XdsVariant;
  /** For a control plane that wants a proof. */
  readonly initialMetadata?: readonly Json[];
  readonly transportSocket?: Json;
}): Json {
  const { initialMetadata = [], transportSocket } = options;
  const controlPlane = {
    ...staticCluster({ name: 'control_plane', http2: true }, [options.xdsPort]),
    ...(transportSocket === undefined ? {} : { transport_socket: transportSocket }),
  };
  return {
    node: options.node,
    admin: { address: loopback(options.adminPort) },
    dynamic_resources: {
      ads_config: {
        api_type: options.variant,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'control_plane' }, initial_metadata: initialMetadata }],
      },
      lds_config: { ads: {}, resource_api_version: 'V3' },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: { clusters: [controlPlane] },
  };
}

export function staticBootstrap(options: {
  readonly adminPort: number;
  readonly listeners: readonly Json[];
  readonly clusters: readonly Json[];
}): Json {
  return {
    node: { id: 'interop', cluster: 'interop' },
    admin: { address: loopback(options.adminPort) },
    static_resources: { listeners: options.listeners, clusters: options.clusters },
  };
}

/** A downstream TLS transport socket that offers HTTP/2 and HTTP/1.1. */
export function downstreamTls(certificateFile: string, keyFile: string): Json {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': typeUrl('extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificates: [{ certificate_chain: { filename: certificateFile }, private_key: { filename: keyFile } }],
      },
    },
  };
}
