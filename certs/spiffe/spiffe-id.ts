/** SPIFFE IDs, strictly by the SPIFFE-ID standard: nothing is lower-cased, decoded or repaired, so that two IDs are the same exactly when their texts are. */
import { IdentityFault } from '../identity-fault.ts';

export interface SpiffeId {
  /** The whole of it. */
  readonly text: string;
  readonly trustDomain: string;
  /** Empty, or from its leading slash on. */
  readonly path: string;
}

const scheme = 'spiffe://';
const maxIdBytes = 2048;
const maxTrustDomainBytes = 255;

/** Why a text is no trust domain name; empty when it is one. Lower-case letters, digits, dot, dash and underscore, 1 to 255 of them (SPIFFE-ID 2.1). */
export function trustDomainFault(name: string): string {
  if (name === '') return 'the trust domain is empty';
  if (name.length > maxTrustDomainBytes) return `the trust domain is longer than ${maxTrustDomainBytes} bytes`;
  if (!/^[a-z0-9._-]+$/.test(name))
    return 'the trust domain has characters other than a-z, 0-9, dot, dash and underscore';
  return '';
}

/** Why a text is no SPIFFE ID; empty when it is one. */
function spiffeIdFault(text: string): string {
  if (text.length > maxIdBytes) return `it is longer than ${maxIdBytes} bytes`;
  if (!text.startsWith(scheme)) return 'it does not start with spiffe://';
  const slash = text.indexOf('/', scheme.length);
  const fault = trustDomainFault(slash === -1 ? text.slice(scheme.length) : text.slice(scheme.length, slash));
  if (fault !== '' || slash === -1) return fault;
  for (const segment of text.slice(slash + 1).split('/')) {
    if (segment === '') return 'the path has an empty segment, or ends with a slash';
    if (segment === '.' || segment === '..') return 'the path has a segment of dots';
    if (!/^[a-zA-Z0-9._-]+$/.test(segment))
      return 'the path has characters other than letters, digits, dot, dash and underscore';
  }
  return '';
}

/** Throws IdentityFault `invalid-spiffe-id`, which names the rule and shows the text escaped. */
export function parseSpiffeId(text: string): SpiffeId {
  const fault = spiffeIdFault(text);
  if (fault !== '') throw new IdentityFault('invalid-spiffe-id', `${quote(text)} is no SPIFFE ID: ${fault}`);
  const slash = text.indexOf('/', scheme.length);
  const end = slash === -1 ? text.length : slash;
  return { text, trustDomain: text.slice(scheme.length, end), path: text.slice(end) };
}

/** `spiffe://TRUST-DOMAIN`: what an authority is. Throws IdentityFault `invalid-spiffe-id`. */
export function trustDomainId(trustDomain: string): SpiffeId {
  const fault = trustDomainFault(trustDomain);
  if (fault !== '') throw new IdentityFault('invalid-spiffe-id', `${quote(trustDomain)} is no trust domain: ${fault}`);
  return { text: `${scheme}${trustDomain}`, trustDomain, path: '' };
}

/** `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT`. Throws IdentityFault `invalid-spiffe-id`. */
export function serviceAccountId(trustDomain: string, namespace: string, serviceAccount: string): SpiffeId {
  const id = parseSpiffeId(`${trustDomainId(trustDomain).text}/ns/${namespace}/sa/${serviceAccount}`);
  if (id.path.split('/').length !== 5)
    throw new IdentityFault(
      'invalid-spiffe-id',
      `${quote(namespace)} and ${quote(serviceAccount)}: a namespace and a service account have no slash`,
    );
  return id;
}

export interface ServiceAccount {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Namespace and service account of an ID in that form; null for another form. */
export function serviceAccountOf(id: SpiffeId): ServiceAccount | null {
  const parts = id.path.split('/');
  if (parts.length !== 5 || parts[1] !== 'ns' || parts[3] !== 'sa') return null;
  return { namespace: parts[2]!, serviceAccount: parts[4]! };
}

/** Safe to print: JSON's escapes, cut at 120 characters. */
function quote(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    '?',
  );
}
