/**
 * Join tokens: what a workload without any other proof shows for its first certificate. Random, shown once when made, and stored only as a hash; each for named identities, so many uses and so long.
 * A use is on the disk before it counts. The same key may ask again for a few minutes without using the token up again, as an answer can get lost.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import type { IssuingClock } from '../authority/issuing-clock.ts';
import { IdentityFault } from '../identity-fault.ts';
import { parseSpiffeId, type SpiffeId } from '../spiffe/spiffe-id.ts';
import { ensureOwnerOnlyFolder, readOwnerOnly, writeOwnerOnly } from '../storage/owner-only.ts';

export interface JoinTokenOptions {
  /** What its bearer may become. One or more. */
  readonly identities: readonly SpiffeId[];
  /** How many keys it is good for. Default 1. */
  readonly uses?: number;
  /** Default one hour; a minute to a year. */
  readonly lifetimeMs?: number;
}

/** Of a token, what may be shown. */
export interface JoinTokenEntry {
  /** Its public part, to revoke it by. */
  readonly id: string;
  readonly identities: readonly string[];
  readonly usesLeft: number;
  readonly expiresAtMs: number;
}

interface StoredToken extends JoinTokenEntry {
  /** SHA-256 of the secret part, hexadecimal. Of 256 random bits there is no guessing, so no slower hash is needed. */
  readonly secretHash: string;
  /** The last uses: SHA-256 of the public key, and when. */
  readonly recent: ReadonlyArray<{ readonly keyHash: string; readonly atMs: number }>;
}

const form = /^ojt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const maxTokens = 10_000;
const maxIdentities = 64;
const maxUses = 1_000_000;
const repeatWindowMs = 10 * 60_000;
const maxRecent = 32;
const minuteMs = 60_000;
const yearMs = 366 * 24 * 60 * minuteMs;

export class JoinTokens {
  readonly #path: string;
  readonly #trustDomain: string;
  readonly #clock: IssuingClock;
  #tokens: ReadonlyMap<string, StoredToken>;

  /** Makes the folder. Throws IdentityFault `unsafe-file` or `malformed`, and the system's errors. */
  constructor(folder: string, trustDomain: string, clock: IssuingClock) {
    ensureOwnerOnlyFolder(folder);
    this.#path = join(folder, 'join-tokens.json');
    this.#trustDomain = trustDomain;
    this.#clock = clock;
    this.#tokens = new Map(readTokens(this.#path).map((token) => [token.id, token]));
  }

  /** Makes a token. It is given here and never again. Throws IdentityFault `not-allowed` for options that make no sense, with the limit. */
  create(options: JoinTokenOptions): { readonly token: string; readonly entry: JoinTokenEntry } {
    const { identities, uses = 1, lifetimeMs = 60 * minuteMs } = options;
    if (identities.length === 0 || identities.length > maxIdentities)
      throw new IdentityFault('not-allowed', `a join token is for 1 to ${maxIdentities} identities`);
    for (const id of identities)
      if (id.trustDomain !== this.#trustDomain || id.path === '')
        throw new IdentityFault(
          'not-allowed',
          `a join token can't be for ${id.text}: it has to be somebody in the trust domain ${this.#trustDomain}`,
        );
    if (!Number.isInteger(uses) || uses < 1 || uses > maxUses)
      throw new IdentityFault('not-allowed', `a join token is good for 1 to ${maxUses} uses, not for ${uses}`);
    if (!(lifetimeMs >= minuteMs && lifetimeMs <= yearMs))
      throw new IdentityFault('not-allowed', 'a join token lives for a minute to a year');
    const live = this.#withoutExpired();
    if (live.size >= maxTokens)
      throw new IdentityFault('not-allowed', `there are ${maxTokens} join tokens; revoke some`);
    const id = Buffer.from(this.#clock.randomBytes(8)).toString('hex');
    const secret = Buffer.from(this.#clock.randomBytes(32)).toString('base64url');
    const entry = {
      id,
      identities: identities.map(({ text }) => text),
      usesLeft: uses,
      expiresAtMs: this.#clock.nowMs() + lifetimeMs,
    };
    this.#save(live.set(id, { ...entry, secretHash: sha256(secret).toString('hex'), recent: [] }));
    return { token: `ojt_${id}_${secret}`, entry };
  }

  /**
   * Uses a token for a key: the identity that its bearer gets, which is the one wanted, or the token's only one. Throws IdentityFault `token-refused` or `not-allowed`; more than "refused" is said only to
   * who knows the secret.
   */
  redeem(token: string, wanted: SpiffeId | null, publicKey: Uint8Array): SpiffeId {
    const [, id = '', secret = ''] = form.exec(token) ?? [];
    const found = this.#tokens.get(id);
    // Compared also when there is none of this id, so that time does not tell.
    const matches = timingSafeEqual(sha256(secret), Buffer.from(found?.secretHash ?? '00'.repeat(32), 'hex'));
    if (found === undefined || !matches)
      throw new IdentityFault(
        'token-refused',
        'the join token is not known: it was mistyped, revoked, or has expired; make a new one',
      );
    const nowMs = this.#clock.nowMs();
    if (nowMs >= found.expiresAtMs)
      throw new IdentityFault(
        'token-refused',
        `the join token ${id} expired at ${new Date(found.expiresAtMs).toISOString()}; make a new one`,
      );
    const identity = chooseIdentity(found, wanted);
    const keyHash = sha256(publicKey).toString('hex');
    const recent = found.recent.filter(({ atMs }) => nowMs - atMs < repeatWindowMs);
    if (recent.some((use) => use.keyHash === keyHash)) return identity;
    if (found.usesLeft === 0)
      throw new IdentityFault('token-refused', `the join token ${id} is used up; make a new one`);
    this.#save(
      new Map(this.#tokens).set(id, {
        ...found,
        usesLeft: found.usesLeft - 1,
        recent: [...recent, { keyHash, atMs: nowMs }].slice(-maxRecent),
      }),
    );
    return identity;
  }

  /** False when there was none. */
  revoke(id: string): boolean {
    const rest = new Map(this.#tokens);
    if (!rest.delete(id)) return false;
    this.#save(rest);
    return true;
  }

  list(): readonly JoinTokenEntry[] {
    return [...this.#withoutExpired().values()].map(({ id, identities, usesLeft, expiresAtMs }) => ({
      id,
      identities,
      usesLeft,
      expiresAtMs,
    }));
  }

  #withoutExpired(): Map<string, StoredToken> {
    const nowMs = this.#clock.nowMs();
    return new Map([...this.#tokens].filter(([, token]) => nowMs < token.expiresAtMs));
  }

  /** On the disk, then in memory. */
  #save(tokens: ReadonlyMap<string, StoredToken>): void {
    writeOwnerOnly(this.#path, `${JSON.stringify([...tokens.values()], null, 1)}\n`);
    this.#tokens = tokens;
  }
}

function chooseIdentity(token: StoredToken, wanted: SpiffeId | null): SpiffeId {
  if (wanted !== null && !token.identities.includes(wanted.text))
    throw new IdentityFault(
      'not-allowed',
      `the join token ${token.id} is not for ${wanted.text}, but for ${token.identities.join(', ')}`,
    );
  if (wanted === null && token.identities.length > 1)
    throw new IdentityFault(
      'not-allowed',
      `the join token ${token.id} is for several identities (${token.identities.join(', ')}); say which`,
    );
  return wanted ?? parseSpiffeId(token.identities[0]!);
}

function sha256(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function readTokens(path: string): readonly StoredToken[] {
  const text = readOwnerOnly(path);
  if (text === null) return [];
  try {
    const tokens: unknown = JSON.parse(text);
    if (Array.isArray(tokens) && tokens.every(isStoredToken)) return tokens;
  } catch {
    // Said below.
  }
  throw new IdentityFault('malformed', `${path} is damaged; move it away, and make new join tokens`);
}

function isStoredToken(value: unknown): value is StoredToken {
  const { id, identities, usesLeft, expiresAtMs, secretHash, recent } = (value ?? {}) as Partial<
    Record<keyof StoredToken, unknown>
  >;
  return (
    typeof id === 'string' &&
    typeof secretHash === 'string' &&
    /^[0-9a-f]{64}$/.test(secretHash) &&
    Number.isInteger(usesLeft) &&
    typeof expiresAtMs === 'number' &&
    Array.isArray(identities) &&
    identities.every((identity) => typeof identity === 'string') &&
    Array.isArray(recent)
  );
}
