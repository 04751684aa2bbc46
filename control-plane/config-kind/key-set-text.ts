/** JSON Web Key Sets as text (RFC 7517): whether one can verify tokens at all, and the one that verifies none. Which algorithms count is the proxies' business. */
import { createHash, createPublicKey } from 'node:crypto';

export const maxKeySetBytes = 256 * 1024;
const maxKeys = 100;
const curves: ReadonlySet<unknown> = new Set(['P-256', 'P-384', 'P-521', 'Ed25519']);

interface WrittenKey {
  readonly [field: string]: unknown;
  readonly kty: string;
  readonly crv?: unknown;
}

/** Why the text is no key set to verify with, or null. */
export function keySetFault(text: string): string | null {
  if (Buffer.byteLength(text) > maxKeySetBytes) return `is larger than ${maxKeySetBytes} bytes`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'is not JSON; a JSON Web Key Set is expected: {"keys":[…]}';
  }
  const keys: unknown = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : undefined;
  if (!Array.isArray(keys)) return 'is not a JSON Web Key Set: {"keys":[…]}';
  if (keys.length > maxKeys) return `has more than ${maxKeys} keys`;
  for (const [at, key] of (keys as unknown[]).entries()) {
    if (typeof key !== 'object' || key === null || typeof (key as { kty?: unknown }).kty !== 'string')
      return `has a key without kty: keys[${at}]`;
    if ((key as { kty: string }).kty === 'oct')
      return `has a secret shared by those who sign and those who verify: keys[${at}]; only public keys are accepted`;
    if (Object.hasOwn(key, 'd')) return `has a private key: keys[${at}]; only its public part belongs here`;
    const bits = rsaBits(key as WrittenKey);
    if (bits !== null && bits < leastRsaBits)
      return `has an RSA key of ${bits} bits: keys[${at}]; ${leastRsaBits} are the least (RFC 7518 3.3)`;
  }
  return (keys as WrittenKey[]).some(isUsable)
    ? null
    : 'has no key that tokens can be verified with: RSA, P-256, P-384, P-521 or Ed25519';
}

/** Whoever factors a shorter one signs tokens of anybody, and not every proxy looks. */
const leastRsaBits = 2_048;

/** Null: it is no RSA key, or none that can be read. */
function rsaBits(key: WrittenKey): number | null {
  if (key.kty !== 'RSA' || typeof key['n'] !== 'string') return null;
  const modulus = Buffer.from(key['n'], 'base64url').toString('hex').replace(/^0+/, '');
  return modulus === '' ? 0 : (modulus.length - 1) * 4 + Number.parseInt(modulus[0]!, 16).toString(2).length;
}

/** Envoy refuses a whole listener for a set without a usable key. */
function isUsable(key: WrittenKey): boolean {
  if (key.kty !== 'RSA' && !curves.has(key.crv)) return false;
  try {
    createPublicKey({ key: key as Record<string, string>, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

let refusing: string | null = null;

/**
 * A set whose only key verifies nothing, for when there is none: an empty one is refused by Envoy. The key is a point of the curve that was found by hashing, so nobody knows what would sign for it,
 * and it is the same at every start.
 */
export function refusingKeySet(): string {
  refusing ??= JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-256', alg: 'ES256', kid: 'none', ...hashedPoint() }] });
  return refusing;
}

/** Try and increment on P-256 (y² = x³ - 3x + b). */
function hashedPoint(): { readonly x: string; readonly y: string } {
  const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
  const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
  for (let attempt = 0; ; attempt++) {
    const x = BigInt(`0x${createHash('sha256').update(`outrigger: no key ${attempt}`).digest('hex')}`) % p;
    const square = (((x * x * x - 3n * x + b) % p) + p) % p;
    const y = power(square, (p + 1n) / 4n, p);
    if ((y * y) % p === square) return { x: coordinate(x), y: coordinate(y) };
  }
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let factor = base, rest = exponent; rest > 0n; rest >>= 1n, factor = (factor * factor) % modulus)
    if (rest % 2n === 1n) result = (result * factor) % modulus;
  return result;
}

function coordinate(value: bigint): string {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').toString('base64url');
}
