/**
 * TLS contexts for node:tls from our own TLS configuration, and the check of a peer's certificate. The keys stay inside the context. What Node cannot load
 * is a fault of the configuration, found when it arrives.
 */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls';
import type { TlsCommonConfig } from '../config/tls-config.ts';

/** One context per configuration object: unchanged configuration keeps its sessions. */
const contexts = new WeakMap<TlsCommonConfig, SecureContext>();

export function secureContext(config: TlsCommonConfig): SecureContext {
  let context = contexts.get(config);
  if (context === undefined) {
    context = createSecureContext({
      cert: config.certificates.map((certificate) => certificate.chainPem),
      key: config.certificates.map((certificate) => certificate.keyPem),
      ...(config.trustedCaPem === null ? {} : { ca: config.trustedCaPem }),
      minVersion: config.minVersion,
      maxVersion: config.maxVersion,
    });
    contexts.set(config, context);
  }
  return context;
}

/** Why this configuration cannot be used, or null. */
export function tlsFault(config: TlsCommonConfig): string | null {
  try {
    secureContext(config);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether the certificate has one of the names that were asked for; any certificate will do when none was. Exact, by Envoy's match_typed_subject_alt_names. */
export function certificateMatches(config: TlsCommonConfig, certificate: PeerCertificate | X509Certificate): boolean {
  if (config.subjectAltNames.length === 0) return true;
  const text = (certificate instanceof X509Certificate ? certificate.subjectAltName : certificate.subjectaltname) ?? '';
  // A name with a comma or quote in it is shown quoted by Node: none of the plain ones that we compare are.
  const names = new Set(text.split(', '));
  const kinds = { dns: 'DNS:', uri: 'URI:', ip: 'IP Address:', email: 'email:' } as const;
  return config.subjectAltNames.some(({ type, exact }) => names.has(kinds[type] + exact));
}
