/** Encoded resources for tests of the ADS client, made with the whole of Envoy's API: a number in each tells one version from another. */
import { create, toBinary } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import {
  Cluster_DiscoveryType,
  ClusterSchema,
} from '../../../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import {
  ApiConfigSourceSchema,
  ConfigSourceSchema,
} from '../../../../proto/generated/envoy/config/core/v3/config_source_pb.js';
import { ClusterLoadAssignmentSchema } from '../../../../proto/generated/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../../../proto/generated/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from '../../../../proto/generated/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '../../../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SecretSchema } from '../../../../proto/generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { TestCertificate } from '../../../transport/test/certificates.ts';

export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  routes: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
} as const;

const ads = { resourceApiVersion: 2, configSourceSpecifier: { case: 'ads', value: {} } } as const;

/** An EDS cluster; its connect timeout is `number` seconds. `trust`: the secret that its hosts are judged by; '': plaintext. */
export function clusterBytes(name: string, number: number, serviceName = name, trust = ''): Uint8Array {
  const context = create(UpstreamTlsContextSchema, {
    sni: name,
    commonTlsContext: {
      validationContextType: {
        case: 'validationContextSdsSecretConfig',
        value: { name: trust, sdsConfig: ads },
      },
    },
  });
  const message = create(ClusterSchema, {
    ...(trust === ''
      ? {}
      : {
          transportSocket: {
            name: 'envoy.transport_sockets.tls',
            configType: { case: 'typedConfig', value: anyPack(UpstreamTlsContextSchema, context) },
          } as const,
        }),
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { serviceName, edsConfig: ads },
    connectTimeout: { seconds: BigInt(number), nanos: 0 },
  });
  return toBinary(ClusterSchema, message);
}

/** A cluster of a kind that the sidecar does not take. */
export function invalidClusterBytes(name: string, number: number): Uint8Array {
  const message = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
    connectTimeout: { seconds: BigInt(number), nanos: 0 },
  });
  return toBinary(ClusterSchema, message);
}

/** One host, at port 1000 + `number`. */
export function endpointsBytes(clusterName: string, number: number): Uint8Array {
  const socketAddress = { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: 1000 + number } } as const;
  const message = create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: [
      {
        loadBalancingWeight: 1,
        lbEndpoints: [
          {
            hostIdentifier: {
              case: 'endpoint',
              value: { address: { address: { case: 'socketAddress', value: socketAddress } } },
            },
          },
        ],
      },
    ],
  });
  return toBinary(ClusterLoadAssignmentSchema, message);
}

/** The host is given by a name, which the sidecar refuses in EDS. */
export function invalidEndpointsBytes(clusterName: string, number: number): Uint8Array {
  const pipe = { case: 'pipe', value: { path: `/run/${number}` } } as const;
  const message = create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: { address: pipe } } } }] }],
  });
  return toBinary(ClusterLoadAssignmentSchema, message);
}

/**
 * Listens on port 2000 + `number`, with routes by RDS. `certificate`: the secret that it proves itself with; '': plaintext. `sdsCluster`: where that comes from; '': ADS.
 */
export function listenerBytes(
  name: string,
  number: number,
  routeConfigName: string,
  certificate = '',
  sdsCluster = '',
): Uint8Array {
  const manager = create(HttpConnectionManagerSchema, {
    statPrefix: name,
    routeSpecifier: { case: 'rds', value: { routeConfigName, configSource: ads } },
    httpFilters: [
      {
        name: 'envoy.filters.http.router',
        configType: { case: 'typedConfig', value: anyPack(RouterSchema, create(RouterSchema)) },
      },
    ],
  });
  const filter = { case: 'typedConfig', value: anyPack(HttpConnectionManagerSchema, manager) } as const;
  return listener(name, number, filter, certificate, sdsCluster);
}

export function invalidListenerBytes(name: string, number: number): Uint8Array {
  return listener(name, number, { case: undefined });
}

function listener(
  name: string,
  number: number,
  configType: { case: 'typedConfig'; value: Any } | { case: undefined },
  certificate = '',
  sdsCluster = '',
): Uint8Array {
  const socketAddress = { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: 2000 + number } } as const;
  const message = create(ListenerSchema, {
    name,
    address: { address: { case: 'socketAddress', value: socketAddress } },
    filterChains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', configType }],
        ...(certificate === '' ? {} : { transportSocket: downstreamTls(certificate, sdsCluster) }),
      },
    ],
  });
  return toBinary(ListenerSchema, message);
}

function downstreamTls(certificate: string, sdsCluster: string) {
  const target = { case: 'envoyGrpc', value: { clusterName: sdsCluster } } as const;
  const value = create(ApiConfigSourceSchema, {
    apiType: 2,
    transportApiVersion: 2,
    grpcServices: [{ targetSpecifier: target }],
  });
  const source = { case: 'apiConfigSource', value } as const;
  const sdsConfig = create(
    ConfigSourceSchema,
    sdsCluster === '' ? ads : { resourceApiVersion: 2, configSourceSpecifier: source },
  );
  const context = create(DownstreamTlsContextSchema, {
    commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: certificate, sdsConfig }] },
  });
  return {
    name: 'envoy.transport_sockets.tls',
    configType: { case: 'typedConfig', value: anyPack(DownstreamTlsContextSchema, context) },
  } as const;
}

export function certificateBytes(name: string, { chainPem, keyPem }: TestCertificate): Uint8Array {
  const inline = (value: string) => ({ specifier: { case: 'inlineString', value } }) as const;
  const value = { certificateChain: inline(chainPem), privateKey: inline(keyPem) };
  return toBinary(SecretSchema, create(SecretSchema, { name, type: { case: 'tlsCertificate', value } }));
}

export function trustBytes(name: string, caPem: string): Uint8Array {
  const value = { trustedCa: { specifier: { case: 'inlineString', value: caPem } } } as const;
  return toBinary(SecretSchema, create(SecretSchema, { name, type: { case: 'validationContext', value } }));
}

/** Sends everything to `cluster`; the virtual host is named by `number`. */
export function routesBytes(name: string, number: number, cluster: string): Uint8Array {
  const message = create(RouteConfigurationSchema, {
    name,
    virtualHosts: [
      {
        name: `version-${number}`,
        domains: ['*'],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: cluster } } },
          },
        ],
      },
    ],
  });
  return toBinary(RouteConfigurationSchema, message);
}

/** A virtual host without a name. */
export function invalidRoutesBytes(name: string): Uint8Array {
  return toBinary(
    RouteConfigurationSchema,
    create(RouteConfigurationSchema, { name, virtualHosts: [{ name: '', domains: ['*'] }] }),
  );
}
