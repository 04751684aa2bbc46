/**
 * TLS contexts for node:tls from our own TLS configuration. Keys stay inside the context. What Node cannot load is a fault of the configuration,
 * found when it arrives (checkTls), not when somebody connects.
 */
import type { SecureContext } from 'node:tls';
import type { TlsCommonConfig } from '../config/tls-config.ts';
import { nodeTls } from './node-tls.ts';
import { certificatePemFault, pemCertificates } from './pem-text.ts';

/**
 * Key exchanges for who names none: Envoy's (X25519, P-256), before them the hybrid one that a recording of today cannot be read from later (about 7 % of a handshake), and P-384. Node's own list has P-521 and X448 too, which nobody needs, and which cost a server six to twelve times as much at a caller's choice.
 */
const usualCurves = 'X25519MLKEM768:X25519:P-256:P-384';

/** One context per configuration object: made once, and shared by all its connections. */
const contexts = new WeakMap<TlsCommonConfig, SecureContext>();

/** The context of a configuration. Throws what node:tls throws when it cannot be loaded: ask {@link checkTls} first. */
export function secureContext(config: TlsCommonConfig): SecureContext {
  let context = contexts.get(config);
  if (context === undefined) {
    context = nodeTls().createSecureContext(contextOptions(config));
    contexts.set(config, context);
  }
  return context;
}

/** When our own certificate ends, by configuration object; Infinity when there is none. */
const notAfter = new WeakMap<TlsCommonConfig, number>();

export function ownNotAfterWallMs(config: TlsCommonConfig): number {
  let wallMs = notAfter.get(config);
  if (wallMs === undefined) {
    const [own] = config.certificates;
    wallMs = own === undefined ? Infinity : Date.parse(pemCertificates(own.chainPem)[0]?.validTo ?? '');
    notAfter.set(config, wallMs);
  }
  return wallMs;
}

/** What the context is made from; tls.Server wants it in this form. */
export function contextOptions(config: TlsCommonConfig): {
  cert: string[];
  key: string[];
  ca?: string;
  minVersion: 'TLSv1.2' | 'TLSv1.3';
  maxVersion: 'TLSv1.2' | 'TLSv1.3';
  ecdhCurve: string;
} {
  return {
    cert: config.certificates.map((certificate) => certificate.chainPem),
    key: config.certificates.map((certificate) => certificate.keyPem),
    ...(config.trustedCaPem === null ? {} : { ca: config.trustedCaPem }),
    ecdhCurve: config.ecdhCurves || usualCurves,
    minVersion: config.minVersion,
    maxVersion: config.maxVersion,
  };
}

/** Why this configuration cannot be used, in a few words for its author (never with key material), or null. */
export function checkTls(config: TlsCommonConfig): string | null {
  if (config.minVersion > config.maxVersion)
    return `the lowest TLS version (${config.minVersion}) is above the highest (${config.maxVersion})`;
  for (const [i, { chainPem, keyPem }] of config.certificates.entries()) {
    const where = config.certificates.length > 1 ? `certificate ${i + 1}` : 'the certificate';
    const fault = certificatePemFault(chainPem);
    if (fault !== null) return `${where}: ${fault}`;
    if (!keyPem.includes('-----BEGIN ')) return `${where}: its private key is not PEM text`;
  }
  if (config.trustedCaPem !== null) {
    const fault = certificatePemFault(config.trustedCaPem);
    if (fault !== null) return `the trusted CA: ${fault}`;
  }
  try {
    secureContext(config);
    return null;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') return 'the private key does not belong to the certificate';
    return `the certificate or its private key cannot be loaded (${message})`;
  }
}
