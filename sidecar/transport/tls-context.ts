/**
 * TLS contexts for node:tls from our own TLS configuration. Keys stay inside the context. What Node cannot load is a fault of the configuration,
 * found when it arrives (checkTls), not when somebody connects.
 */
import type { SecureContext } from 'node:tls';
import type { TlsCommonConfig } from '../config/tls-config.ts';
import { nodeTls } from './node-tls.ts';

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

/** What the context is made from; tls.Server wants it in this form. */
export function contextOptions(config: TlsCommonConfig): {
  cert: string[];
  key: string[];
  ca?: string;
  minVersion: 'TLSv1.2' | 'TLSv1.3';
  maxVersion: 'TLSv1.2' | 'TLSv1.3';
} {
  return {
    cert: config.certificates.map((certificate) => certificate.chainPem),
    key: config.certificates.map((certificate) => certificate.keyPem),
    ...(config.trustedCaPem === null ? {} : { ca: config.trustedCaPem }),
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
    const fault = pemFault(chainPem);
    if (fault !== null) return `${where}: ${fault}`;
    if (!keyPem.includes('-----BEGIN ')) return `${where}: its private key is not PEM text`;
  }
  if (config.trustedCaPem !== null) {
    const fault = pemFault(config.trustedCaPem);
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

/** Node skips what it does not understand of a CA bundle: look at each block. */
function pemFault(pem: string): string | null {
  // Loaded here for the same reason as node:tls.
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  const blocks = pem.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g);
  if (blocks === null) return 'no PEM block -----BEGIN CERTIFICATE----- was found';
  for (const [i, block] of blocks.entries()) {
    try {
      void new X509Certificate(block);
    } catch (error) {
      return `block ${i + 1} of ${blocks.length} is not a certificate (${(error as Error).message})`;
    }
  }
  return null;
}
