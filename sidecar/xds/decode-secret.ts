/** Secret → our own value, and SdsSecretConfig → the reference to one. A secret that cannot be loaded is a fault here, so that it is answered with a NACK and the last good one stays. */
import { isIP } from 'node:net';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { SecretReference, SubjectAltNameMatch, TrustDomainRoots } from '../config/tls-config.ts';
import { type SecretValue, secretFault } from '../secret/secret.ts';
import { trustDomainsFault } from '../transport/trust-domains.ts';
import { ApiVersion } from './api/envoy/config/core/v3/config_source_pb.js';
import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType,
} from './api/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { SdsSecretConfig, Secret } from './api/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { SPIFFECertValidatorConfig } from './api/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js';
import { apiRegistry } from './api-registry.ts';
import { grpcSource } from './decode-config-source.ts';
import { dataSourceText, durationMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** Never null without a fault. */
export function decodeSecret(message: Secret, path: string, faults: Faults): SecretValue | null {
  let value: SecretValue;
  if (message.type.case === 'tlsCertificate') {
    const here = at(path, 'tls_certificate');
    const { certificateChain, privateKey } = message.type.value;
    value = {
      kind: 'certificate',
      chainPem: dataSourceText(certificateChain, at(here, 'certificate_chain'), faults),
      keyPem: dataSourceText(privateKey, at(here, 'private_key'), faults),
    };
  } else if (message.type.case === 'validationContext') {
    const here = at(path, 'validation_context');
    const trustDomains = spiffeTrustDomains(message.type.value, here, faults);
    value = {
      kind: 'validation',
      ...(trustDomains === null
        ? { trustedCaPem: dataSourceText(message.type.value.trustedCa, at(here, 'trusted_ca'), faults) }
        : { trustedCaPem: allRoots(trustDomains), trustDomains }),
      subjectAltNames: subjectAltNames(message.type.value, here, faults),
    };
  } else {
    faults.add(path, 'is neither a tls_certificate nor a validation_context');
    return null;
  }
  const fault = faults.any ? null : secretFault(value);
  if (fault !== null) faults.add(at(path, fault.field), fault.message);
  return value;
}

export function secretReference(message: SdsSecretConfig, path: string, faults: Faults): SecretReference {
  const { name, sdsConfig } = message;
  if (name === '') faults.add(at(path, 'name'), 'must not be empty');
  const here = at(path, 'sds_config');
  const specifier = sdsConfig?.configSourceSpecifier;
  if (
    sdsConfig !== undefined &&
    sdsConfig.resourceApiVersion !== ApiVersion.V3 &&
    sdsConfig.resourceApiVersion !== ApiVersion.AUTO
  )
    faults.add(at(here, 'resource_api_version'), 'only V3 is supported');
  if (specifier?.case === 'pathConfigSource') {
    const { path: file, watchedDirectory } = specifier.value;
    if (file === '') faults.add(at(here, 'path_config_source.path'), 'must not be empty');
    return {
      name,
      key: `file:${file}#${name}`,
      source: { kind: 'sds-file', path: file, watchedDirectory: watchedDirectory?.path ?? '' },
    };
  }
  if (specifier?.case === 'apiConfigSource') {
    const config = grpcSource(specifier.value, at(here, 'api_config_source'), faults);
    const { variant, clusterName, authority, initialMetadata } = config;
    const initialFetchTimeoutMs = durationMs(
      sdsConfig!.initialFetchTimeout,
      15_000,
      at(here, 'initial_fetch_timeout'),
      faults,
    );
    return {
      name,
      // Another source has another key, whatever it is that differs.
      key: `sds:${JSON.stringify([variant, clusterName, authority, initialMetadata, initialFetchTimeoutMs])}#${name}`,
      source: { kind: 'sds-service', ...config, initialFetchTimeoutMs },
    };
  }
  if (specifier?.case !== 'ads' && specifier?.case !== 'self')
    faults.add(here, 'only ads: {}, api_config_source and path_config_source are supported; see docs/xds-support.md');
  return { name, key: name, source: { kind: 'ads' } };
}

/** `custom_validator_config`; null: there is none. */
export function spiffeTrustDomains(
  { customValidatorConfig, trustedCa }: CertificateValidationContext,
  path: string,
  faults: Faults,
): readonly TrustDomainRoots[] | null {
  if (customValidatorConfig === undefined) return null;
  const here = at(path, 'custom_validator_config');
  if (trustedCa !== undefined)
    faults.add(at(path, 'trusted_ca'), 'does not count beside custom_validator_config; leave it out');
  const typed = customValidatorConfig.typedConfig;
  const message = typed === undefined ? undefined : anyUnpack(typed, apiRegistry);
  if (message?.$typeName !== spiffeValidator) {
    // Unknown types were reported by check-fields.ts.
    if (typed === undefined || message !== undefined)
      faults.add(at(here, 'typed_config'), `only ${spiffeValidator} is supported`);
    return null;
  }
  const { trustDomains } = message as SPIFFECertValidatorConfig;
  const domainsPath = at(at(here, 'typed_config'), 'trust_domains');
  const domains = trustDomains.map(({ name, trustBundle }, i) => ({
    name,
    rootsPem: dataSourceText(trustBundle, at(at(domainsPath, i), 'trust_bundle'), faults),
  }));
  const fault = faults.any ? null : trustDomainsFault(domains);
  if (fault !== null) faults.add(domainsPath, fault);
  return domains;
}

const spiffeValidator = 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';

/** What OpenSSL is told to trust. */
export function allRoots(domains: readonly TrustDomainRoots[]): string {
  return domains.map(({ rootsPem }) => rootsPem).join('\n');
}

export function subjectAltNames(
  message: CertificateValidationContext | undefined,
  path: string,
  faults: Faults,
): readonly SubjectAltNameMatch[] {
  return [...typedNames(message, path, faults), ...untypedNames(message, path, faults)];
}

/** The older form, of any type (Envoy still takes it, and SPIRE's examples have it). */
function untypedNames(
  message: CertificateValidationContext | undefined,
  path: string,
  faults: Faults,
): SubjectAltNameMatch[] {
  return (message?.matchSubjectAltNames ?? []).flatMap(({ matchPattern, ignoreCase }, i): SubjectAltNameMatch[] => {
    if (matchPattern.case !== 'exact' || ignoreCase || matchPattern.value === '') {
      faults.add(at(at(path, 'match_subject_alt_names'), i), 'only exact is supported, with respect to case');
      return [];
    }
    const exact = matchPattern.value;
    if (exact.startsWith('spiffe://')) return [{ type: 'uri', exact }];
    const types = ['uri', 'dns', 'email', ...(isIP(exact) === 0 ? [] : ['ip' as const])] as const;
    return types.map((type) => ({ type, exact }));
  });
}

function typedNames(
  message: CertificateValidationContext | undefined,
  path: string,
  faults: Faults,
): SubjectAltNameMatch[] {
  return (message?.matchTypedSubjectAltNames ?? []).map(({ sanType: type, matcher }, i) => {
    const here = at(at(path, 'match_typed_subject_alt_names'), i);
    const pattern = matcher?.matchPattern;
    const kind = sanType(type, here, faults);
    if (pattern?.case === 'prefix' && kind === 'uri' && matcher?.ignoreCase !== true) {
      if (pattern.value === '') faults.add(at(here, 'matcher.prefix'), 'must not be empty');
      return { type: kind, prefix: pattern.value };
    }
    if (pattern?.case !== 'exact' || matcher?.ignoreCase === true)
      faults.add(at(here, 'matcher'), 'only exact is supported, and prefix for URI names, both with respect to case');
    return { type: kind, exact: pattern?.case === 'exact' ? pattern.value : '' };
  });
}

function sanType(type: SubjectAltNameMatcher_SanType, path: string, faults: Faults): SubjectAltNameMatch['type'] {
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
