/**
 * Whether the certificate that a peer showed is of somebody we want to talk to. The chain was verified by TLS; this is about names. Compared exactly
 * (Envoy's match_typed_subject_alt_names with exact matchers), case and all; addresses by value.
 */
import type { X509Certificate } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';
import type { TlsCommonConfig } from '../config/tls-config.ts';

/** What a peer proved to be, in the handshake. */
export interface PeerCertificate {
  /** URI names; a workload has exactly one, its SPIFFE ID. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** RFC 2253 form, as Envoy has it in XFCC and RBAC. */
  readonly subject: string;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly sha256: string;
}

/** How Node spells each kind in `X509Certificate.subjectAltName`. */
const prefixes = { dns: 'DNS:', uri: 'URI:', ip: 'IP Address:', email: 'email:' } as const;

/** Why the peer is not wanted, or null. `undefined`: it showed no certificate. */
export function peerFault(config: TlsCommonConfig, certificate: X509Certificate | undefined): string | null {
  const { subjectAltNames } = config;
  if (subjectAltNames.length === 0) return null;
  const wanted = subjectAltNames.map(({ type, exact }) => `${type}:${exact}`).join(' or ');
  if (certificate === undefined) return `the peer showed no certificate; wanted is ${wanted}`;
  const names = alternativeNames(certificate);
  // An identity stands in the one URI name of a leaf (SPIFFE X509-SVID 2 and 4.1): with two it would be anybody's guess which one counts.
  const identity = subjectAltNames.some(({ type, exact }) => type === 'uri' && exact.startsWith('spiffe://'));
  if (identity && certificate.ca)
    return "the peer's certificate is one of a CA, which is nobody's identity (SPIFFE X509-SVID 4.1)";
  if (identity && names.filter((name) => name.startsWith(prefixes.uri)).length > 1)
    return "the peer's certificate has more than one URI name (SPIFFE X509-SVID 2)";
  for (const { type, exact } of subjectAltNames) {
    const name = prefixes[type] + (type === 'ip' ? canonicalAddress(exact) : exact);
    if (names.includes(name)) return null;
  }
  const shown = names.length === 0 ? 'none' : names.join(', ').slice(0, 300);
  return `the peer's certificate has none of the names wanted (${wanted}); it has: ${shown}`;
}

/** What logs, policies and `x-forwarded-client-cert` want to know of a verified certificate. */
export function peerCertificate(certificate: X509Certificate): PeerCertificate {
  const names = alternativeNames(certificate);
  const valuesOf = (prefix: string): string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return Object.freeze({
    uris: valuesOf(prefixes.uri),
    dnsNames: valuesOf(prefixes.dns),
    subject: distinguishedName(certificate.subject ?? ''),
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  });
}

/** Node gives one line per part, first to last and already escaped; RFC 2253 wants them last to first, with commas. */
function distinguishedName(lines: string): string {
  return lines === '' ? '' : lines.split('\n').reverse().join(',');
}

/**
 * Names of the certificate as `KIND:value`. Node quotes and escapes any value with a comma, quote or control character, so splitting is safe: a quoted
 * value equals no name that we look for.
 */
function alternativeNames(certificate: X509Certificate): string[] {
  const text = certificate.subjectAltName;
  if (text === undefined || text === '') return [];
  return text
    .split(', ')
    .map((name) =>
      name.startsWith(prefixes.ip) ? prefixes.ip + canonicalAddress(name.slice(prefixes.ip.length)) : name,
    );
}

function canonicalAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  return new SocketAddress({ address, family: 'ipv6' }).address;
}
