/**
 * A signed token in its compact form (RFC 7515 7.1, RFC 7519), taken apart strictly. Nothing here says that it is genuine: see jwk-set.ts. Encrypted and nested tokens,
 * unencoded payloads and critical extensions are refused.
 */
import { type JsonObject, member, parseJsonObject, textMember } from './json-object.ts';
import { badTime, type JwtFault, jwtFault } from './jwt-fault.ts';
import { signatureAlgorithms } from './signature-algorithm.ts';

/** What is judged anew each time that a token comes. */
export interface JwtClaims {
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  /** Seconds since 1970; null: not said. */
  readonly notBefore: number | null;
  readonly expires: number | null;
}

export interface Jwt extends JwtClaims {
  readonly header: JsonObject;
  readonly payload: JsonObject;
  /** As it stands in the token. */
  readonly payloadText: string;
  readonly algorithm: string;
  /** '': the token names no key. */
  readonly keyId: string;
  /** What is signed: `header.payload`. */
  readonly signed: string;
  readonly signature: Buffer;
}

const mostTokenBytes = 64 * 1024;
const mostSeconds = 2 ** 64;

/** The token's parts, or what is wrong with it. Never throws. */
export function parseJwt(token: string): Jwt | JwtFault {
  if (token.length > mostTokenBytes) return jwtFault.tooLong;
  const [headerText = '', payloadText = '', signatureText = '', ...more] = token.split('.', 4);
  if (headerText === '' || payloadText === '' || signatureText === '' || more.length > 0) return jwtFault.badFormat;
  const headerBytes = base64url(headerText);
  if (headerBytes === null) return jwtFault.headerBase64;
  const header = parseJsonObject(headerBytes);
  if (header === null) return jwtFault.headerJson;
  const algorithm = member(header, 'alg');
  if (typeof algorithm !== 'string') return jwtFault.badAlgorithm;
  if (!signatureAlgorithms.has(algorithm)) return jwtFault.unsupportedAlgorithm;
  const keyId = textMember(header, 'kid');
  if (keyId === null) return jwtFault.badKeyId;
  // Whoever does not understand a critical field must refuse the token (RFC 7515 4.1.11), and none is understood here; `b64` comes only with it (RFC 7797 6).
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) return jwtFault.critical;
  const payloadBytes = base64url(payloadText);
  if (payloadBytes === null) return jwtFault.payloadBase64;
  const payload = parseJsonObject(payloadBytes);
  if (payload === null) return jwtFault.payloadJson;
  const issuer = textMember(payload, 'iss');
  if (issuer === null) return jwtFault.badIssuer;
  const subject = textMember(payload, 'sub');
  if (subject === null) return jwtFault.badSubject;
  for (const claim of ['iat', 'nbf', 'exp']) {
    const time = member(payload, claim);
    if (time === undefined) continue;
    if (typeof time !== 'number') return badTime(claim, false);
    if (!(time >= 0 && time < mostSeconds)) return badTime(claim, true);
  }
  if (textMember(payload, 'jti') === null) return jwtFault.badId;
  const audiences = listOf(member(payload, 'aud'));
  if (audiences === null) return jwtFault.badAudience;
  const signature = base64url(signatureText);
  if (signature === null) return jwtFault.signatureBase64;
  return {
    header,
    payload,
    payloadText,
    algorithm,
    keyId,
    issuer,
    subject,
    audiences,
    notBefore: (member(payload, 'nbf') as number | undefined) ?? null,
    expires: (member(payload, 'exp') as number | undefined) ?? null,
    signed: `${headerText}.${payloadText}`,
    signature,
  };
}

/** A text or a list of them (RFC 7519 4.1.3); null: something else. */
function listOf(audience: unknown): readonly string[] | null {
  if (audience === undefined) return [];
  if (typeof audience === 'string') return [audience];
  return Array.isArray(audience) && audience.every((each) => typeof each === 'string')
    ? (audience as readonly string[])
    : null;
}

/** RFC 7515 2: no padding, no other characters, and the one spelling of these bytes: two tokens that differ are never the same. */
function base64url(text: string): Buffer | null {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}
