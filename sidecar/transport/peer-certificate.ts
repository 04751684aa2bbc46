/**
 * Whether the certificate that a peer showed is of somebody we want to talk to. The chain was verified by TLS; this is about who it is. Names are compared as they are (Envoy's
 * match_typed_subject_alt_names), case and all; addresses by value. Where an identity is wanted, the certificate must be one by every rule of SPIFFE (certs/spiffe).
 */
import type { X509Certificate } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';
import { IdentityFault, type IdentityFaultReason } from '../../certs/identity-fault.ts';
import { parseSpiffeId, type SpiffeId, serviceAccountOf } from '../../certs/spiffe/spiffe-id.ts';
import { leafIdentity, type PeerRole } from '../../certs/spiffe/verify-svid.ts';
import { readCertificate } from '../../certs/x509/certificate.ts';
import type { SubjectAltNameMatch, TlsCommonConfig, TrustDomainRoots } from '../config/tls-config.ts';
import { checkTrustDomain } from './trust-domains.ts';

/** What a peer proved to be, in the handshake. */
export interface PeerCertificate {
  /** URI names; a workload has exactly one, its SPIFFE ID. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** RFC 2253 form, as Envoy has it in XFCC and RBAC. */
  readonly subject: string;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly sha256: string;
  /** The whole, for log lines that ask for more; absent in fakes. */
  readonly certificate?: X509Certificate;
}

/** Why a peer is refused: what refusals are counted by. */
export type PeerFaultReason =
  | 'no-certificate'
  | 'untrusted'
  | 'expired'
  | 'not-yet-valid'
  | 'key-usage'
  | 'not-a-leaf'
  | 'no-identity'
  | 'several-identities'
  | 'invalid-spiffe-id'
  | 'wrong-trust-domain'
  | 'wrong-name'
  | 'malformed';

export interface PeerFault {
  readonly reason: PeerFaultReason;
  /** For a person. */
  readonly message: string;
}

/** How Node spells each kind in `X509Certificate.subjectAltName`. */
const prefixes = { dns: 'DNS:', uri: 'URI:', ip: 'IP Address:', email: 'email:' } as const;

/** Why the peer is not wanted, or null. `undefined`: it showed no certificate. `role`: what the peer is to us. */
export function peerFault(
  config: TlsCommonConfig,
  certificate: X509Certificate | undefined,
  role: PeerRole,
  nowWallMs: number,
): PeerFault | null {
  const { subjectAltNames, trustDomains = null, trustedCaPem } = config;
  // Where no name is asked for, who claims an identity must have one all the same: policies and logs go by it.
  const claims = trustedCaPem !== null && /spiffe:/i.test(certificate?.subjectAltName ?? '');
  if (subjectAltNames.length === 0 && trustDomains === null && !claims) return null;
  if (certificate === undefined)
    return {
      reason: 'no-certificate',
      message: `the peer showed no certificate; wanted is ${wantedText(subjectAltNames)}`,
    };
  // An identity stands in the one URI name of a leaf (SPIFFE X509-SVID 2 and 4.1): with two it would be anybody's guess which one counts.
  if (trustDomains !== null || subjectAltNames.some(isSpiffe) || (claims && subjectAltNames.length === 0)) {
    const judged = identityOf(certificate, role, nowWallMs, trustDomains);
    if (!('trustDomain' in judged)) return judged;
    return subjectAltNames.length === 0 ? null : identityFault(subjectAltNames, judged, alternativeNames(certificate));
  }
  return nameFault(subjectAltNames, alternativeNames(certificate));
}

function identityFault(
  wanted: readonly SubjectAltNameMatch[],
  id: SpiffeId,
  names: readonly string[],
): PeerFault | null {
  let domainWanted = false;
  for (const match of wanted) {
    if (!isSpiffe(match)) {
      if (names.some((name) => matches(match, name))) return null;
      continue;
    }
    if ('exact' in match ? match.exact === id.text : id.text.startsWith(match.prefix)) return null;
    const text = 'exact' in match ? match.exact : match.prefix;
    const rest = text.slice('spiffe://'.length);
    domainWanted ||= rest.split('/', 1)[0] === id.trustDomain;
  }
  if (domainWanted) return { reason: 'wrong-name', message: `the peer is ${id.text}; wanted is ${wantedText(wanted)}` };
  return {
    reason: 'wrong-trust-domain',
    message: `the peer is ${id.text}, of the trust domain ${id.trustDomain}; wanted is ${wantedText(wanted)}`,
  };
}

function nameFault(wanted: readonly SubjectAltNameMatch[], names: readonly string[]): PeerFault | null {
  for (const match of wanted) if (names.some((name) => matches(match, name))) return null;
  const shown = names.length === 0 ? 'none' : names.join(', ').slice(0, 300);
  return {
    reason: 'wrong-name',
    message: `the peer's certificate has none of the names wanted (${wantedText(wanted)}); it has: ${shown}`,
  };
}

function matches(match: SubjectAltNameMatch, name: string): boolean {
  const kind = prefixes[match.type];
  if (!name.startsWith(kind)) return false;
  if ('prefix' in match) return name.startsWith(match.prefix, kind.length);
  return name.slice(kind.length) === (match.type === 'ip' ? canonicalAddress(match.exact) : match.exact);
}

function isSpiffe(match: SubjectAltNameMatch): boolean {
  return match.type === 'uri' && ('exact' in match ? match.exact : match.prefix).startsWith('spiffe://');
}

function wantedText(names: readonly SubjectAltNameMatch[]): string {
  return names
    .map((match) => ('exact' in match ? `${match.type}:${match.exact}` : `${match.type}:${match.prefix}…`))
    .join(' or ');
}

/** The one SPIFFE ID of a leaf that its own trust domain vouches for, or what is wrong with it. */
function identityOf(
  certificate: X509Certificate,
  role: PeerRole,
  nowWallMs: number,
  trustDomains: readonly TrustDomainRoots[] | null,
): SpiffeId | PeerFault {
  try {
    const id = leafIdentity(readCertificate(certificate.raw), role, nowWallMs);
    const odd = valuesOf(alternativeNames(certificate), 'dns').find((name) => !hostName.test(name));
    if (odd !== undefined)
      return {
        reason: 'malformed',
        message: `the certificate of ${id.text} has a DNS name that is no host name: ${JSON.stringify(odd.slice(0, 300))}`,
      };
    if (trustDomains !== null) checkTrustDomain(trustDomains, certificate, id, role, nowWallMs);
    return id;
  } catch (error) {
    if (!(error instanceof IdentityFault)) return { reason: 'malformed', message: (error as Error).message };
    return { reason: reasonOf(error.reason), message: error.message };
  }
}

/** What may stand in a DNS name beside an identity: no other kind of name can be taken for one (`spiffe://…`). */
const hostName = /^[A-Za-z0-9_.*-]+$/;

const ownReasons: ReadonlySet<string> = new Set<PeerFaultReason>([
  'expired',
  'not-yet-valid',
  'key-usage',
  'not-a-leaf',
  'no-identity',
  'several-identities',
  'invalid-spiffe-id',
  'wrong-trust-domain',
  'untrusted',
]);

/** What is wrong with who vouches for the peer. */
const chainReasons: ReadonlySet<IdentityFaultReason> = new Set([
  'bad-signature',
  'not-a-ca',
  'path-length',
  'broken-chain',
]);

function reasonOf(reason: IdentityFaultReason): PeerFaultReason {
  if (chainReasons.has(reason)) return 'untrusted';
  return ownReasons.has(reason) ? (reason as PeerFaultReason) : 'malformed';
}

/** Reason for what OpenSSL found in the chain, by its code as node:tls gives it. */
export function chainFaultReason(code: string): PeerFaultReason {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'expired';
    case 'CERT_NOT_YET_VALID':
      return 'not-yet-valid';
    case 'INVALID_PURPOSE':
      return 'key-usage';
    default:
      return 'untrusted';
  }
}

/** What logs, policies and `x-forwarded-client-cert` want to know of a verified certificate. */
export function peerCertificate(certificate: X509Certificate): PeerCertificate {
  const names = alternativeNames(certificate);
  return Object.freeze({
    uris: valuesOf(names, 'uri'),
    dnsNames: valuesOf(names, 'dns'),
    subject: distinguishedName(certificate.subject ?? ''),
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    certificate,
  });
}

/** URI names of a certificate, our own for instance. */
export function uriNames(certificate: X509Certificate): readonly string[] {
  return valuesOf(alternativeNames(certificate), 'uri');
}

/** `namespace/service account` of a peer whose one URI name is a SPIFFE ID of that form; ''. */
export function serviceOf(peer: PeerCertificate): string {
  const [uri] = peer.uris;
  if (uri === undefined || peer.uris.length > 1) return '';
  try {
    const account = serviceAccountOf(parseSpiffeId(uri));
    return account === null ? '' : `${account.namespace}/${account.serviceAccount}`;
  } catch {
    return '';
  }
}

function valuesOf(names: readonly string[], kind: keyof typeof prefixes): string[] {
  const prefix = prefixes[kind];
  return names.filter((name) => name.startsWith(prefix)).map((name) => unquoted(name.slice(prefix.length)));
}

/** What Node has made a JSON string of is told as it stands in the certificate. */
function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

/** Node gives one line per part, first to last and escaped but for letters beyond ASCII; RFC 2253 wants them last to first, with commas, and OpenSSL as Envoy asks it escapes those too. */
export function distinguishedName(lines: string): string {
  if (lines === '') return '';
  return lines
    .split('\n')
    .reverse()
    .join(',')
    .replaceAll(' + ', '+')
    .replace(/[\u0080-\u{10ffff}]/gu, (char) =>
      Array.from(Buffer.from(char, 'utf8'), (byte) => `\\${byte.toString(16).toUpperCase()}`).join(''),
    );
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
