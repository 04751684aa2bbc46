/** A token whose signature is good, and what its provider makes of it: header fields for the application, metadata for the gates behind. Made once for a token. */
import { type HeaderName, headerName } from '../../codec/header-name.ts';
import type { JwtProviderConfig } from '../../config/jwt-authn-config.ts';
import { member } from './json-object.ts';
import type { Jwt, JwtClaims } from './jwt.ts';

export interface VerifiedJwt extends JwtClaims {
  readonly fields: ReadonlyArray<readonly [HeaderName, string]>;
  /** By key in the metadata. Shared by all requests with this token: to be read only. */
  readonly metadata: ReadonlyArray<readonly [string, unknown]>;
}

/** Null: a claim that is wanted in a header cannot stand in one. */
export function verifiedJwt(jwt: Jwt, provider: JwtProviderConfig): VerifiedJwt | null {
  const fields: Array<readonly [HeaderName, string]> = [];
  const { forwardPayloadHeader, padForwardPayload, claimToHeaders } = provider;
  if (forwardPayloadHeader !== '') {
    const padding = padForwardPayload ? '='.repeat((4 - (jwt.payloadText.length % 4)) % 4) : '';
    fields.push([headerName(forwardPayloadHeader), jwt.payloadText + padding]);
  }
  for (const { header, claim } of claimToHeaders) {
    const text = claimText(claimAt(jwt.payload, claim));
    if (text === '') continue;
    // Bytes of UTF-8, one character each: as values of fields are held.
    const value = Buffer.from(text, 'utf8').toString('latin1');
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return null;
    fields.push([headerName(header), value.replace(/^[\t ]+|[\t ]+$/g, '')]);
  }
  const metadata: Array<readonly [string, unknown]> = [];
  if (provider.headerInMetadata !== '') metadata.push([provider.headerInMetadata, jwt.header]);
  if (provider.payloadInMetadata !== '') metadata.push([provider.payloadInMetadata, normalized(jwt, provider)]);
  const { issuer, subject, audiences, notBefore, expires } = jwt;
  return { issuer, subject, audiences, notBefore, expires, fields, metadata };
}

/** `claim.nested.key`. */
function claimAt(payload: unknown, path: string): unknown {
  let value = payload;
  for (const name of path.split('.')) value = member(value, name);
  return value;
}

/** As Envoy writes them: lists and objects as JSON in base64. */
function claimText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
      return String(value);
    case 'number':
      return numberText(value);
    case 'object':
      return value === null ? '' : Buffer.from(JSON.stringify(value)).toString('base64');
    default:
      return '';
  }
}

/** Whole numbers that fit 64 bits as such, all others with six decimals. */
function numberText(value: number): string {
  if (value >= 0 && value < 2 ** 64 && Number.isInteger(value)) return BigInt(value).toString();
  return Number.isInteger(value) ? `${BigInt(value)}.000000` : value.toFixed(6);
}

function normalized(jwt: Jwt, { spaceDelimitedClaims }: JwtProviderConfig): unknown {
  if (spaceDelimitedClaims.length === 0) return jwt.payload;
  const payload: Record<string, unknown> = { ...jwt.payload };
  for (const claim of spaceDelimitedClaims) {
    const value = member(payload, claim);
    if (typeof value === 'string') payload[claim] = value.split(' ').filter((part) => part !== '');
  }
  return payload;
}
