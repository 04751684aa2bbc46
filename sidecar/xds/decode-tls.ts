/**
 * DownstreamTlsContext and UpstreamTlsContext → our TLS configuration. Certificates that stand in it are loaded once here, so that what Node cannot use is a fault now; those that come as
 * secrets are loaded when they come (decode-secret.ts).
 */
import { X509Certificate } from 'node:crypto';
import { type Message } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { SecretReference, TlsClientConfig, TlsCommonConfig, TlsServerConfig } from '../config/tls-config.ts';
import { checkTls } from '../transport/tls-context.ts';
import type { DataSource, TransportSocket } from './api/envoy/config/core/v3/base_pb.js';
import {
  type CertificateValidationContext,
  type TlsCertificate,
  TlsParameters_TlsProtocol,
} from './api/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type {
  CommonTlsContext,
  DownstreamTlsContext,
  UpstreamTlsContext,
} from './api/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { apiRegistry } from './api-registry.ts';
import { allRoots, secretReference, spiffeTrustDomains, subjectAltNames } from './decode-secret.ts';
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
  if (common.certificates.length === 0 && (common.certificateSecret ?? null) === null)
    faults.add(at(here, 'common_tls_context.tls_certificates'), 'a TLS listener needs a certificate');
  const required = message.requireClientCertificate ?? false;
  if (required && common.trustedCaPem === null && (common.trustSecret ?? null) === null)
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
  return {
    ...ownCertificates(message, path, faults),
    ...validation(message, path, faults),
    alpn: message?.alpnProtocols ?? [],
    ...(message?.tlsParams === undefined || message.tlsParams.ecdhCurves.length === 0
      ? {}
      : { ecdhCurves: message.tlsParams.ecdhCurves.join(':') }),
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

function ownCertificates(
  message: CommonTlsContext | undefined,
  path: string,
  faults: Faults,
): Pick<TlsCommonConfig, 'certificates' | 'certificateSecret'> {
  const inline = message?.tlsCertificates ?? [];
  const secrets = message?.tlsCertificateSdsSecretConfigs ?? [];
  const secretsPath = at(path, 'tls_certificate_sds_secret_configs');
  if (secrets.length > 1) faults.add(secretsPath, `there are ${secrets.length}; at most one is supported`);
  if (secrets.length > 0 && inline.length > 0) faults.add(secretsPath, 'and tls_certificates are both there; one is');
  const [secret] = secrets;
  if (secret !== undefined)
    return { certificates: [], certificateSecret: secretReference(secret, at(secretsPath, 0), faults) };
  const [only] = inline;
  return {
    certificates: inline.map((certificate, i) => {
      const here = at(at(path, 'tls_certificates'), i);
      return {
        chainPem: dataSourceText(certificate.certificateChain, at(here, 'certificate_chain'), faults),
        keyPem: dataSourceText(certificate.privateKey, at(here, 'private_key'), faults),
      };
    }),
    certificateSecret: only !== undefined && inline.length === 1 ? certificateFiles(only) : null,
  };
}

/** Certificate and key in files are watched, as one: Envoy does so only with `watched_directory`, and a renewal that nobody took has cost many an outage (needs-and-defaults.md 22). */
function certificateFiles({ certificateChain, privateKey, watchedDirectory }: TlsCertificate): SecretReference | null {
  const chainPath = fileName(certificateChain);
  const keyPath = fileName(privateKey);
  if (chainPath === '' || keyPath === '') return null;
  return {
    name: chainPath,
    key: `files:${chainPath}#${keyPath}`,
    source: {
      kind: 'certificate-files',
      chainPath,
      keyPath,
      watchedDirectory: watchedDirectory?.path ?? certificateChain?.watchedDirectory?.path ?? '',
    },
  };
}

function validation(
  message: CommonTlsContext | undefined,
  path: string,
  faults: Faults,
): Pick<TlsCommonConfig, 'trustedCaPem' | 'trustSecret' | 'trustDomains' | 'subjectAltNames'> {
  const type = message?.validationContextType;
  switch (type?.case) {
    case 'validationContext': {
      const here = at(path, 'validation_context');
      namesNeedRoots(type.value, here, faults);
      return { ...trusted(type.value, here, faults), subjectAltNames: subjectAltNames(type.value, here, faults) };
    }
    case 'validationContextSdsSecretConfig':
      return {
        trustedCaPem: null,
        trustSecret: secretReference(type.value, at(path, 'validation_context_sds_secret_config'), faults),
        subjectAltNames: [],
      };
    case 'combinedValidationContext': {
      const here = at(path, 'combined_validation_context');
      const { defaultValidationContext: fixed, validationContextSdsSecretConfig: secret } = type.value;
      const fixedPath = at(here, 'default_validation_context');
      if (fixed === undefined) faults.add(fixedPath, 'is missing');
      if (fixed?.trustedCa !== undefined)
        faults.add(at(fixedPath, 'trusted_ca'), 'comes with the secret here; leave it out');
      if (fixed?.customValidatorConfig !== undefined)
        faults.add(at(fixedPath, 'custom_validator_config'), 'comes with the secret here; leave it out');
      if (secret === undefined) faults.add(at(here, 'validation_context_sds_secret_config'), 'is missing');
      return {
        trustedCaPem: null,
        trustSecret:
          secret === undefined
            ? null
            : secretReference(secret, at(here, 'validation_context_sds_secret_config'), faults),
        subjectAltNames: subjectAltNames(fixed, fixedPath, faults),
      };
    }
    default:
      return { trustedCaPem: null, trustSecret: null, subjectAltNames: [] };
  }
}

/** As in Envoy; without any names it takes every peer, as the person who wrote it should know. */
function namesNeedRoots(
  { trustedCa, customValidatorConfig, matchTypedSubjectAltNames, matchSubjectAltNames }: CertificateValidationContext,
  path: string,
  faults: Faults,
): void {
  if (trustedCa !== undefined || customValidatorConfig !== undefined) return;
  if (matchTypedSubjectAltNames.length === 0 && matchSubjectAltNames.length === 0) return;
  const field = matchTypedSubjectAltNames.length > 0 ? 'match_typed_subject_alt_names' : 'match_subject_alt_names';
  faults.add(at(path, 'trusted_ca'), `is needed beside ${field}: anybody can sign a certificate with these names`);
}

function trusted(
  message: CertificateValidationContext,
  path: string,
  faults: Faults,
): Pick<TlsCommonConfig, 'trustedCaPem' | 'trustSecret' | 'trustDomains'> {
  const { trustedCa, watchedDirectory } = message;
  const trustDomains = spiffeTrustDomains(message, path, faults);
  if (trustDomains !== null) return { trustedCaPem: allRoots(trustDomains), trustSecret: null, trustDomains };
  if (trustedCa === undefined) return { trustedCaPem: null, trustSecret: null };
  const here = at(path, 'trusted_ca');
  const trustedCaPem = dataSourceText(trustedCa, here, faults);
  checkPem(trustedCaPem, here, faults);
  const file = fileName(trustedCa);
  return {
    trustedCaPem,
    trustSecret:
      file === ''
        ? null
        : {
            name: file,
            key: `file:${file}`,
            source: {
              kind: 'trust-file',
              path: file,
              watchedDirectory: watchedDirectory?.path ?? trustedCa.watchedDirectory?.path ?? '',
            },
          },
  };
}

function fileName(source: DataSource | undefined): string {
  return source?.specifier.case === 'filename' ? source.specifier.value : '';
}

function checkPem(pem: string, path: string, faults: Faults): void {
  try {
    new X509Certificate(pem);
  } catch {
    faults.add(path, 'holds no certificate in PEM');
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
