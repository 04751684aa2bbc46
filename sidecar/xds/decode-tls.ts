/** DownstreamTlsContext and UpstreamTlsContext → our TLS configuration. Certificates are loaded once here, so that what Node cannot use is a fault now. */
import { X509Certificate } from 'node:crypto';
import { type Message } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { TlsClientConfig, TlsCommonConfig, TlsServerConfig } from '../config/tls-config.ts';
import { checkTls } from '../transport/tls-context.ts';
import type { TransportSocket } from './api/envoy/config/core/v3/base_pb.js';
import {
  SubjectAltNameMatcher_SanType,
  TlsParameters_TlsProtocol,
} from './api/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type {
  CommonTlsContext,
  DownstreamTlsContext,
  UpstreamTlsContext,
} from './api/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { apiRegistry } from './api-registry.ts';
import { dataSourceText } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const tls = 'envoy.extensions.transport_sockets.tls.v3.';

/** Null for plaintext. */
export function downstreamTls(
  socket: TransportSocket | undefined,
  path: string,
  faults: Faults,
): TlsServerConfig | null {
  const message = unpack(socket, `${tls}DownstreamTlsContext`, path, faults) as DownstreamTlsContext | null;
  if (message === null) return null;
  const here = at(path, 'typed_config');
  const common = commonTls(message.commonTlsContext, at(here, 'common_tls_context'), faults);
  if (common.certificates.length === 0)
    faults.add(at(here, 'common_tls_context.tls_certificates'), 'a TLS listener needs a certificate');
  const required = message.requireClientCertificate ?? false;
  if (required && common.trustedCaPem === null)
    faults.add(
      at(here, 'common_tls_context.validation_context.trusted_ca'),
      'is needed to verify the client certificates that are required',
    );
  return checked({ ...common, requireClientCertificate: required }, here, faults);
}

/** Null for plaintext. */
export function upstreamTls(socket: TransportSocket | undefined, path: string, faults: Faults): TlsClientConfig | null {
  const message = unpack(socket, `${tls}UpstreamTlsContext`, path, faults) as UpstreamTlsContext | null;
  if (message === null) return null;
  const here = at(path, 'typed_config');
  return checked(
    { ...commonTls(message.commonTlsContext, at(here, 'common_tls_context'), faults), serverName: message.sni },
    here,
    faults,
  );
}

function unpack(socket: TransportSocket | undefined, wanted: string, path: string, faults: Faults): Message | null {
  if (socket === undefined) return null;
  const typed = socket.configType.case === 'typedConfig' ? socket.configType.value : undefined;
  if (typed === undefined) {
    faults.add(at(path, 'typed_config'), 'is missing');
    return null;
  }
  const message = anyUnpack(typed, apiRegistry);
  if (message?.$typeName === wanted) return message;
  // Unknown types were reported by check-fields.ts.
  if (message !== undefined && message.$typeName !== 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer')
    faults.add(at(path, 'typed_config'), `${message.$typeName} does not belong here; ${wanted} does`);
  return null;
}

function checked<T extends TlsCommonConfig>(config: T, path: string, faults: Faults): T {
  const fault = faults.any ? null : checkTls(config);
  if (fault !== null) faults.add(path, `cannot be used: ${fault}`);
  return Object.freeze(config);
}

function commonTls(message: CommonTlsContext | undefined, path: string, faults: Faults): TlsCommonConfig {
  const context = message?.validationContextType;
  const validation = context?.case === 'validationContext' ? context.value : undefined;
  const validationPath = at(path, 'validation_context');
  const trustedCaPem =
    validation?.trustedCa === undefined
      ? null
      : dataSourceText(validation.trustedCa, at(validationPath, 'trusted_ca'), faults);
  if (trustedCaPem !== null) checkPem(trustedCaPem, at(validationPath, 'trusted_ca'), faults);
  return {
    certificates: (message?.tlsCertificates ?? []).map((certificate, i) => {
      const here = at(at(path, 'tls_certificates'), i);
      return {
        chainPem: dataSourceText(certificate.certificateChain, at(here, 'certificate_chain'), faults),
        keyPem: dataSourceText(certificate.privateKey, at(here, 'private_key'), faults),
      };
    }),
    trustedCaPem,
    subjectAltNames: (validation?.matchTypedSubjectAltNames ?? []).map((matcher, i) => {
      const here = at(at(validationPath, 'match_typed_subject_alt_names'), i);
      const pattern = matcher.matcher?.matchPattern;
      if (pattern?.case !== 'exact' || matcher.matcher?.ignoreCase === true)
        faults.add(at(here, 'matcher'), 'only an exact match is supported');
      return { type: sanType(matcher.sanType, here, faults), exact: pattern?.case === 'exact' ? pattern.value : '' };
    }),
    alpn: message?.alpnProtocols ?? [],
    minVersion: version(
      message?.tlsParams?.tlsMinimumProtocolVersion,
      'TLSv1.2',
      at(path, 'tls_params.tls_minimum_protocol_version'),
      faults,
    ),
    maxVersion: version(
      message?.tlsParams?.tlsMaximumProtocolVersion,
      'TLSv1.3',
      at(path, 'tls_params.tls_maximum_protocol_version'),
      faults,
    ),
  };
}

function checkPem(pem: string, path: string, faults: Faults): void {
  try {
    new X509Certificate(pem);
  } catch {
    faults.add(path, 'holds no certificate in PEM');
  }
}

function sanType(type: SubjectAltNameMatcher_SanType, path: string, faults: Faults): 'dns' | 'uri' | 'ip' | 'email' {
  switch (type) {
    case SubjectAltNameMatcher_SanType.DNS:
      return 'dns';
    case SubjectAltNameMatcher_SanType.URI:
      return 'uri';
    case SubjectAltNameMatcher_SanType.IP_ADDRESS:
      return 'ip';
    case SubjectAltNameMatcher_SanType.EMAIL:
      return 'email';
    default:
      faults.add(at(path, 'san_type'), 'must be DNS, URI, IP_ADDRESS or EMAIL');
      return 'dns';
  }
}

function version(
  protocol: TlsParameters_TlsProtocol | undefined,
  fallback: 'TLSv1.2' | 'TLSv1.3',
  path: string,
  faults: Faults,
): 'TLSv1.2' | 'TLSv1.3' {
  switch (protocol) {
    case undefined:
    case TlsParameters_TlsProtocol.TLS_AUTO:
      return fallback;
    case TlsParameters_TlsProtocol.TLSv1_2:
      return 'TLSv1.2';
    case TlsParameters_TlsProtocol.TLSv1_3:
      return 'TLSv1.3';
    default:
      faults.add(path, 'TLS below 1.2 is not supported');
      return fallback;
  }
}
