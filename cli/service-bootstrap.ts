/** The Envoy v3 bootstrap that `outrigger sidecar --service` stands for: who it is, and the way to the control plane; with an identity over TLS, proven by it. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
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

/** Where the application listens, as `--app-port` says; several, or none, with interception only. Throws a UserError. */
export function appPorts(values: SidecarFlags['values']): readonly number[] {
  const text = values['app-port'];
  if (text === undefined) return [];
  if ((values.interception ?? 'none') === 'none') return [parseWhole('--app-port', text, 1, 65535)];
  return [...new Set(text.split(',').map((port) => parseWhole('--app-port', port.trim(), 1, 65535)))];
}

/** What this host can be called by: a loopback address of IPv6 alone is none. */
export function ipFamilies(interfaces: ReturnType<typeof networkInterfaces>): ReadonlyArray<'IPv4' | 'IPv6'> {
  const addresses = Object.values(interfaces).flatMap((each) => each ?? []);
  const global = addresses.some(
    ({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:'),
  );
  return global ? ['IPv4', 'IPv6'] : ['IPv4'];
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
  const ports = appPorts(values);
  const interception = values.interception ?? 'none';
  const dns = values['dns-listen'] === undefined ? null : parseListen('--dns-listen', values['dns-listen']);
  const outbound = parseListen('--outbound-listen', values['outbound-listen'] ?? '127.0.0.1:15001');
  const inbound = parseListen('--inbound-listen', values['inbound-listen'] ?? '0.0.0.0:15006');
  const ownUpstreams = upstreamsOf(values, namespace);
  checkListenPorts([
    ...ports.map((port) => ['--app-port', `127.0.0.1:${port}`] as const),
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
        ...(ports.length === 1 ? { app_port: ports[0] } : {}),
        ...(ports.length > 1 ? { app_ports: ports } : {}),
        outbound_listen: formatHostPort(outbound),
        inbound_listen: formatHostPort(inbound),
        interception: interception.toUpperCase(),
        ...(interception === 'none' ? {} : { ip_families: ipFamilies(networkInterfaces()) }),
        ...(values['opaque-ports'] === undefined ? {} : { opaque_ports: values['opaque-ports'].split(',') }),
        ...(values.egress === undefined ? {} : { egress: values.egress }),
        ...(dns === null ? {} : { dns_listen: formatHostPort(dns) }),
        // For filters that ask the control plane (limits).
        control_plane_cluster: controlPlaneCluster,
        ...(upstreams.length === 0 ? {} : { upstreams }),
        ...(values.labels === undefined ? {} : { labels: { ...parseLabels('--labels', values.labels) } }),
        ...(values.zone === undefined ? {} : { zone: values.zone }),
      },
    },
    admin: { address: socketAddress(admin) },
    static_resources: {
      clusters:
        secure === null
          ? [controlPlaneClusterOf(controlPlane, { pipe: controlPlaneSocket(values, 'plain') })]
          : secureClusters(secure, controlPlaneSocket(values, 'tls')),
    },
    cluster_manager: {
      load_stats_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: controlPlaneCluster } }],
      },
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

/** Of a sidecar in a network of its own, which reaches the control plane by Unix sockets; null: it needs none. */
export function controlPlaneSocket(values: SidecarFlags['values'], door: 'plain' | 'tls'): string | null {
  const folder = values['control-plane-sockets'];
  return folder === undefined ? null : join(folder, `${door}.sock`);
}

function socketAddress(address: { readonly host: string; readonly port: number }): unknown {
  return { socket_address: { address: address.host, port_value: address.port } };
}

function controlPlaneClusterOf(
  address: { readonly host: string; readonly port: number },
  rest: {
    readonly name?: string;
    readonly transport_socket?: unknown;
    readonly idleTimeout?: string;
    readonly pipe: string | null;
  },
): unknown {
  const { name = controlPlaneCluster, idleTimeout, pipe, ...others } = rest;
  return {
    name,
    // A name is looked up when it is connected to, which may take as long as a name server does.
    ...(isIP(address.host) === 0 && pipe === null
      ? { type: 'LOGICAL_DNS', dns_lookup_family: 'V4_PREFERRED', connect_timeout: '5s' }
      : { type: 'STATIC', connect_timeout: '1s' }),
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [{ endpoint: { address: pipe === null ? socketAddress(address) : { pipe: { path: pipe } } } }],
        },
      ],
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
function secureClusters({ controlPlaneTls, controlPlaneId }: SecureControlPlane, pipe: string | null): unknown[] {
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
    controlPlaneClusterOf(controlPlaneTls, { pipe, transport_socket: tls(trustSecret, certificateSecret) }),
    controlPlaneClusterOf(controlPlaneTls, {
      pipe,
      name: firstContactCluster,
      transport_socket: tls(firstContactSecret, null),
      idleTimeout: '5s',
    }),
  ];
}
