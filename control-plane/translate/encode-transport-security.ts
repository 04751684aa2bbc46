/** TLS of proxies that have an identity: towards endpoints that have one, and from callers. Certificates and roots are never in it; both are named, and come as secrets. */
import { create } from '@bufbuild/protobuf';
import {
  type Cluster_TransportSocketMatch,
  Cluster_TransportSocketMatchSchema,
} from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import {
  type Metadata,
  MetadataSchema,
  type TransportSocket,
  TransportSocketSchema,
} from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import { RawBufferSchema } from '../../proto/generated/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import {
  SubjectAltNameMatcher_SanType,
  TlsParameters_TlsProtocol,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import {
  type SdsSecretConfig,
  SdsSecretConfigSchema,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../proto/generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { PortDefinition } from '../model/model.ts';
import { fromAds } from './api-values.ts';
import { packAny } from './encoded-resource.ts';

/** ALPN of mTLS around whatever an application speaks: so it is told from TLS that an application brought itself. */
export const tcpProtocol = 'outrigger-tcp';
/** Secret of the proxy's own certificate and key. */
const ownCertificate = 'default';
/** Secret of what peers are judged by. */
const peerRoots = 'ROOTCA';
const tlsSocket = 'envoy.transport_sockets.tls';
const tls13 = {
  tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
  tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
};
/** What an endpoint with a proven identity says of itself. */
const mtlsLabel = { outrigger: 'mtls' };

/** Metadata of an endpoint that takes mTLS: the first of the matches below is for it. */
export function mtlsEndpoint(): Metadata {
  return create(MetadataSchema, { filterMetadata: { 'envoy.transport_socket_match': mtlsLabel } });
}

/** Of the cluster of a service's port: mTLS to endpoints with an identity, checked against the accounts that the service may have; plaintext to the rest. */
export function upstreamSocketMatches(definition: PortDefinition, trustDomain: string): Cluster_TransportSocketMatch[] {
  const { namespace, service, port, protocol, serviceAccounts } = definition;
  const context = create(UpstreamTlsContextSchema, {
    sni: `outbound_.${port}_._.${service}.${namespace}.svc.cluster.local`,
    commonTlsContext: {
      tlsParams: tls13,
      alpnProtocols: [protocol === 'tcp' ? tcpProtocol : protocol === 'http' ? 'http/1.1' : 'h2'],
      tlsCertificateSdsSecretConfigs: [secret(ownCertificate)],
      validationContextType: {
        case: 'combinedValidationContext',
        value: {
          defaultValidationContext: {
            matchTypedSubjectAltNames: serviceAccounts.map((account) => ({
              sanType: SubjectAltNameMatcher_SanType.URI,
              matcher: {
                matchPattern: {
                  case: 'exact' as const,
                  value: `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`,
                },
              },
            })),
          },
          validationContextSdsSecretConfig: secret(peerRoots),
        },
      },
    },
  });
  return [
    create(Cluster_TransportSocketMatchSchema, {
      name: 'mtls',
      match: mtlsLabel,
      transportSocket: {
        name: tlsSocket,
        configType: { case: 'typedConfig', value: packAny(UpstreamTlsContextSchema, context) },
      },
    }),
    create(Cluster_TransportSocketMatchSchema, {
      name: 'plaintext',
      match: {},
      transportSocket: {
        name: 'envoy.transport_sockets.raw_buffer',
        configType: { case: 'typedConfig', value: packAny(RawBufferSchema, create(RawBufferSchema)) },
      },
    }),
  ];
}

/** Of an inbound filter chain: callers must have a certificate of the mesh. */
export function downstreamSocket(alpnProtocols: readonly string[] = ['h2', 'http/1.1']): TransportSocket {
  const context = create(DownstreamTlsContextSchema, {
    requireClientCertificate: true,
    commonTlsContext: {
      tlsParams: tls13,
      alpnProtocols: [...alpnProtocols],
      tlsCertificateSdsSecretConfigs: [secret(ownCertificate)],
      validationContextType: { case: 'validationContextSdsSecretConfig', value: secret(peerRoots) },
    },
  });
  return create(TransportSocketSchema, {
    name: tlsSocket,
    configType: { case: 'typedConfig', value: packAny(DownstreamTlsContextSchema, context) },
  });
}

function secret(name: string): SdsSecretConfig {
  return create(SdsSecretConfigSchema, { name, sdsConfig: fromAds() });
}
