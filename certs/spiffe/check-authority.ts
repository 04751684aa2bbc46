/** Whether a certificate may sign others (RFC 5280 6.1.4, X509-SVID 3.2 and 4): asked of roots and intermediates, when they are loaded to sign with and when a peer's chain is followed. */
import { IdentityFault } from '../identity-fault.ts';
import type { Certificate } from '../x509/certificate.ts';
import { keyUsageBit } from '../x509/extensions.ts';
import { parseSpiffeId } from './spiffe-id.ts';

/**
 * `authoritiesBelow`: how many authorities stand between this one and the leaf. `nowMs` null: its validity in time is not asked. `what` starts the message, as "the root". Throws IdentityFault `not-a-ca`, `key-usage`, `path-length`, `not-yet-valid`,
 * `expired`, `unknown-critical-extension`, `several-identities` or `invalid-spiffe-id`.
 */
export function checkAuthority(
  certificate: Certificate,
  authoritiesBelow: number,
  nowMs: number | null,
  what: string,
): void {
  const { extensions } = certificate;
  if (!extensions.isCa)
    throw new IdentityFault(
      'not-a-ca',
      `${what} is not an authority's certificate: basicConstraints does not say CA:TRUE`,
    );
  if (extensions.keyUsage === null || (extensions.keyUsage & keyUsageBit.keyCertSign) === 0)
    throw new IdentityFault('key-usage', `${what} may not sign certificates: its keyUsage lacks keyCertSign`);
  if (extensions.pathLength !== null && extensions.pathLength < authoritiesBelow)
    throw new IdentityFault(
      'path-length',
      `${what} allows ${extensions.pathLength} authorities below it, and there are ${authoritiesBelow}`,
    );
  if (nowMs !== null) checkValidity(certificate, nowMs, what);
  checkNoUnknownCritical(certificate, what);
  if (extensions.uris.length > 1)
    throw new IdentityFault(
      'several-identities',
      `${what} has ${extensions.uris.length} URI names; at most one is allowed`,
    );
  const [uri] = extensions.uris;
  if (uri?.startsWith('spiffe://') === true && parseSpiffeId(uri).path !== '')
    throw new IdentityFault('invalid-spiffe-id', `${what} has the SPIFFE ID ${uri}; an authority's has no path`);
}

/** Throws IdentityFault `not-yet-valid` or `expired`. */
export function checkValidity(certificate: Certificate, nowMs: number, what: string): void {
  if (nowMs < certificate.notBeforeMs)
    throw new IdentityFault(
      'not-yet-valid',
      `${what} is not valid before ${iso(certificate.notBeforeMs)}, and it is ${iso(nowMs)}; are the clocks right?`,
    );
  if (nowMs > certificate.notAfterMs)
    throw new IdentityFault('expired', `${what} expired at ${iso(certificate.notAfterMs)}, and it is ${iso(nowMs)}`);
}

/** Throws IdentityFault `unknown-critical-extension`. */
export function checkNoUnknownCritical(certificate: Certificate, what: string): void {
  const [unknown] = certificate.extensions.unknownCritical;
  if (unknown === undefined) return;
  const name = unknown === '2.5.29.30' ? 'nameConstraints' : unknown;
  throw new IdentityFault(
    'unknown-critical-extension',
    `${what} has the critical extension ${name}, which Outrigger does not understand and so must not pass over`,
  );
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('.000Z', 'Z');
}
