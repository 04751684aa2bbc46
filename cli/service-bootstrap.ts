/** The Envoy v3 bootstrap that `outrigger sidecar --service` stands for: who it is, and the way to the control plane; with an identity over TLS, proven by it. */
import { isIP } from 'node:net';
import { certificateSecret, firstContactSecret, trustSecret } from '../sidecar/identity/local-secrets.ts';
import {
  formatHostPort,
  type HostPort,
  parseHostPort,
  parseLabels,
  parseServiceName,
  parseWhole,
} from './host-port.ts';
import { checkListenPorts, defaultProbeAddress, upstreamPorts } from './listen-ports.ts';
import type { SidecarFlags } from './sidecar-flags.ts';
import { parseUpstreams, type Upstream } from './upstream.ts';
import { UserError } from './user-error.ts';

export const defaultControlPlane = '127.0.0.1:15010';
/** Static cluster that leads to the control plane. */
export const controlPlaneCluster = 'outrigger-control-plane';
/** The same for who has no certificate yet. */
export const firstContactCluster = 'outrigger-first-contact';

/** How the control plane is reached by a sidecar with an identity. */
export interface SecureControlPlane {
  readonly controlPlaneTls: { readonly host: string; readonly port: number };
  /** Exactly this is the control plane. */
  readonly controlPlaneId: string;
}

/** What `--upstream` says. */
export function upstreamsOf(values: SidecarFlags['values'], ownNamespace: string): readonly Upstream[] {
  const texts = values.upstream === undefined || values.upstream === '' ? [] : values.upstream.split(',');
  return parseUpstreams(texts, ownNamespace);
}

/** To listen takes an address of this machine; a name may have several. */
function parseListen(flag: string, text: string): HostPort {
  const address = parseHostPort(flag, text);
  if (isIP(address.host) === 0)
    throw new UserError(
      `${flag}: ${JSON.stringify(address.host)} is not an IP address; write it as 127.0.0.1:15001`,
      2,
    );
  return address;
}

/** The Envoy v3 bootstrap (proto JSON) that `--service` stands for. */
export function serviceBootstrap(
  flags: SidecarFlags,
  nodeId: string,
  secure: SecureControlPlane | null = null,
): unknown {
  const { values } = flags;
  const { namespace, name } = parseServiceName('--service', values.service!);
  const controlPlane = parseHostPort('--control-plane', values['control-plane'] ?? defaultControlPlane);
  const admin = parseListen('--admin', values.admin ?? '127.0.0.1:15000');
  const appPort = parseWhole('--app-port', values['app-port']!, 1, 65535);
  const outbound = parseListen('--outbound-listen', values['outbound-listen'] ?? '127.0.0.1:15001');
  const inbound = parseListen('--inbound-listen', values['inbound-listen'] ?? '0.0.0.0:15006');
  const ownUpstreams = upstreamsOf(values, namespace);
  checkListenPorts([
    ['--app-port', `127.0.0.1:${appPort}`],
    ['--outbound-listen', formatHostPort(outbound)],
    ['--inbound-listen', formatHostPort(inbound)],
    ['--admin', formatHostPort(admin)],
    ['--listen-metrics', values['listen-metrics'] ?? defaultProbeAddress],
    ...upstreamPorts(ownUpstreams),
  ]);
  const upstreams = ownUpstreams.map(({ namespace, name, port, localPort }) => ({
    service: `${namespace}/${name}`,
    port,
    listen: formatHostPort({ host: '127.0.0.1', port: localPort }),
  }));
  return {
    node: {
      id: nodeId,
      cluster: `${namespace}/${name}`,
      ...(values.zone === undefined ? {} : { locality: { zone: values.zone } }),
      metadata: {
        app_port: appPort,
        outbound_listen: formatHostPort(outbound),
        inbound_listen: formatHostPort(inbound),
        interception: 'NONE',
        // For filters that ask the control plane (limits).
        control_plane_cluster: controlPlaneCluster,
        ...(upstreams.length === 0 ? {} : { upstreams }),
        ...(values.labels === undefined ? {} : { labels: { ...parseLabels('--labels', values.labels) } }),
        ...(values.zone === undefined ? {} : { zone: values.zone }),
      },
    },
    admin: { address: socketAddress(admin) },
    static_resources: {
      clusters: secure === null ? [controlPlaneClusterOf(controlPlane, {})] : secureClusters(secure),
    },
    dynamic_resources: {
      ads_config: {
        api_type: values.xds === 'sotw' ? 'GRPC' : 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: controlPlaneCluster } }],
      },
      lds_config: { ads: {}, resource_api_version: 'V3' },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
  };
}

function socketAddress(address: { readonly host: string; readonly port: number }): unknown {
  return { socket_address: { address: address.host, port_value: address.port } };
}

function controlPlaneClusterOf(
  address: { readonly host: string; readonly port: number },
  rest: { readonly name?: string; readonly transport_socket?: unknown; readonly idleTimeout?: string },
): unknown {
  const { name = controlPlaneCluster, idleTimeout, ...others } = rest;
  return {
    name,
    // A name is looked up when it is connected to, which may take as long as a name server does.
    ...(isIP(address.host) === 0
      ? { type: 'LOGICAL_DNS', dns_lookup_family: 'V4_PREFERRED', connect_timeout: '5s' }
      : { type: 'STATIC', connect_timeout: '1s' }),
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(address) } }] }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        ...(idleTimeout === undefined ? {} : { common_http_protocol_options: { idle_timeout: idleTimeout } }),
        explicit_http_config: {
          http2_protocol_options: { connection_keepalive: { interval: '30s', timeout: '10s' } },
        },
      },
    },
    ...others,
  };
}

/** Both take nobody for the control plane but itself. For the first certificate there is a way without one, judged by the roots that were given; all else shows ours, and is judged by the roots that were received. */
function secureClusters({ controlPlaneTls, controlPlaneId }: SecureControlPlane): unknown[] {
  const secret = (name: string): unknown => ({ name, sds_config: { ads: {}, resource_api_version: 'V3' } });
  const tls = (trust: string, own: string | null): unknown => ({
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        alpn_protocols: ['h2'],
        ...(own === null ? {} : { tls_certificate_sds_secret_configs: [secret(own)] }),
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: controlPlaneId } }],
          },
          validation_context_sds_secret_config: secret(trust),
        },
      },
    },
  });
  return [
    controlPlaneClusterOf(controlPlaneTls, { transport_socket: tls(trustSecret, certificateSecret) }),
    controlPlaneClusterOf(controlPlaneTls, {
      name: firstContactCluster,
      transport_socket: tls(firstContactSecret, null),
      idleTimeout: '5s',
    }),
  ];
}
