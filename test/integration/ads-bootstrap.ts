/** An Envoy v3 bootstrap file of a proxy that names itself, and takes everything from a control plane by ADS without TLS. */
export interface AdsBootstrap {
  readonly nodeId: string;
  /** `NS/NAME`. */
  readonly service: string;
  readonly controlPlanePort: number;
  /** `HOST:PORT`. */
  readonly outboundListen: string;
  readonly inboundListen: string;
  readonly apiType?: 'GRPC' | 'DELTA_GRPC';
}

/** JSON, which is YAML too. */
export function adsBootstrap({
  nodeId,
  service,
  controlPlanePort,
  outboundListen,
  inboundListen,
  apiType = 'DELTA_GRPC',
}: AdsBootstrap): string {
  const socketAddress = (port: number): unknown => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const http = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return JSON.stringify({
    node: {
      id: nodeId,
      cluster: service,
      metadata: { app_port: 1, outbound_listen: outboundListen, inbound_listen: inboundListen },
    },
    admin: { address: socketAddress(0) },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            [http]: {
              '@type': `type.googleapis.com/${http}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(controlPlanePort) } }] }],
          },
        },
      ],
    },
    dynamic_resources: {
      ads_config: {
        api_type: apiType,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      lds_config: { ads: {}, resource_api_version: 'V3' },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
  });
}
