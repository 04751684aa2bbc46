/** What log lines tell of a client's certificate beyond its names: read from it once per connection, and only where a line asks. */
import type { X509Certificate } from 'node:crypto';
import { distinguishedName, type PeerCertificate } from '../transport/peer-certificate.ts';

interface PeerDetails {
  readonly issuer: string;
  /** Lower-case hex. */
  readonly serial: string;
  readonly sha1: string;
  /** PEM, percent-encoded. */
  readonly pem: string;
  readonly validFromWallMs: number;
  readonly validToWallMs: number;
  readonly ipAddresses: readonly string[];
  readonly emails: readonly string[];
}

const known = new WeakMap<PeerCertificate, PeerDetails>();

/** Null: it showed no certificate. */
export function peerDetails(peer: PeerCertificate | null): PeerDetails | null {
  const certificate = peer?.certificate;
  if (peer === null || certificate === undefined) return null;
  let details = known.get(peer);
  if (details === undefined) {
    details = detailsOf(certificate);
    known.set(peer, details);
  }
  return details;
}

function detailsOf(certificate: X509Certificate): PeerDetails {
  const names = (certificate.subjectAltName ?? '').split(', ');
  const valuesOf = (prefix: string): string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return {
    issuer: distinguishedName(certificate.issuer ?? ''),
    serial: certificate.serialNumber.toLowerCase(),
    sha1: certificate.fingerprint.replaceAll(':', '').toLowerCase(),
    pem: encodeURIComponent(certificate.toString()),
    validFromWallMs: certificate.validFromDate.getTime(),
    validToWallMs: certificate.validToDate.getTime(),
    ipAddresses: valuesOf('IP Address:'),
    emails: valuesOf('email:'),
  };
}
