/**
 * A local token made narrow: for one service account and a few minutes, by who can read the local token, without asking anybody. So a program that starts a sidecar as somebody else hands over a proof that is good for this sidecar
 * alone. Everything that it says is in it, and a code (HMAC-SHA-256) by a key that only the local token's readers and its control plane can make; from a narrowed token there is no way back to the local one, nor to a wider one.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface NarrowedToken {
  /** The SPIFFE ID that it is for. */
  readonly identity: string;
  readonly expiresAtMs: number;
}

const secondMs = 1_000;
/** Join tokens begin so; it is told from those by its dots. */
const form = /^ojt_(([0-9a-f]{16})_(\d{1,12})\.([A-Za-z0-9_-]{1,2800}))\.([A-Za-z0-9_-]{43})$/;

/** Of a local token's text: what narrowed tokens are made and known by. Not the token, so that who holds it for checking could not show it. */
export function narrowingKey(localToken: string): Buffer {
  return createHmac('sha256', localToken).update('outrigger narrowed token 1').digest();
}

/** `localToken`: as it is in its file. Throws an Error for what is none. */
export function narrowToken(localToken: string, { identity, expiresAtMs }: NarrowedToken): string {
  const id = /^ojt_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/.exec(localToken)?.[1];
  if (id === undefined) throw new Error('this is no local token');
  const claims = `${id}_${Math.floor(expiresAtMs / secondMs)}.${Buffer.from(identity).toString('base64url')}`;
  return `ojt_${claims}.${code(claims, narrowingKey(localToken)).toString('base64url')}`;
}

/** What a token that was made narrow with this key says; null: it was not. Whether it has expired is for the caller. */
export function readNarrowedToken(text: string, key: Buffer): NarrowedToken | null {
  const [, claims, , seconds, identity, shown] = form.exec(text) ?? [];
  if (claims === undefined) return null;
  const bytes = Buffer.from(shown!, 'base64url');
  const expected = code(claims, key);
  if (bytes.length !== expected.length || !timingSafeEqual(bytes, expected)) return null;
  return {
    identity: Buffer.from(identity!, 'base64url').toString(),
    expiresAtMs: Number(seconds) * secondMs,
  };
}

function code(claims: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(claims).digest();
}
