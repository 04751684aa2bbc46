/** Certificates and keys as PEM text: whether they load, and what is in them. Node skips what it does not understand of a bundle, so each block is looked at by itself. */
import type * as nodeCrypto from 'node:crypto';

const certificateBlock = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** Loaded when first used, as node:tls is: many sidecars never speak TLS. */
function crypto(): typeof nodeCrypto {
  return process.getBuiltinModule('node:crypto');
}

/** Every certificate of a text in which {@link certificatePemFault} finds no fault. */
export function pemCertificates(pem: string): nodeCrypto.X509Certificate[] {
  const { X509Certificate: Certificate } = crypto();
  return (pem.match(certificateBlock) ?? []).map((block) => new Certificate(block));
}

/** Why this is no text with certificates, in a few words; null when it is. */
export function certificatePemFault(pem: string): string | null {
  const { X509Certificate: Certificate } = crypto();
  const blocks = pem.match(certificateBlock);
  if (blocks === null) return 'no PEM block -----BEGIN CERTIFICATE----- was found';
  for (const [i, block] of blocks.entries()) {
    try {
      void new Certificate(block);
    } catch (error) {
      return `block ${i + 1} of ${blocks.length} is not a certificate (${(error as Error).message})`;
    }
  }
  return null;
}

/** Why this key cannot be used with the first certificate of the chain; null when it can. Never with key material. */
export function keyPairFault(chainPem: string, keyPem: string): string | null {
  if (!keyPem.includes('-----BEGIN ')) return 'the private key is not PEM text';
  let key: nodeCrypto.KeyObject;
  try {
    key = crypto().createPrivateKey(keyPem);
  } catch (error) {
    return `the private key cannot be loaded (${(error as Error).message})`;
  }
  return pemCertificates(chainPem)[0]!.checkPrivateKey(key)
    ? null
    : 'the private key does not belong to the certificate';
}
