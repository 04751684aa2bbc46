/**
 * Join tokens: what a workload without any other proof shows for its first certificate. Random, shown once when made, and stored only as a hash; each for named identities, so many uses and so long.
 * A use is on the disk before it counts. The same key may ask again for a few minutes without using the token up again, as an answer can get lost.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import type { IssuingClock } from '../authority/issuing-clock.ts';
import { IdentityFault } from '../identity-fault.ts';
import { controlPlaneId } from '../spiffe/control-plane-id.ts';
import { parseSpiffeId, type SpiffeId, serviceAccountOf } from '../spiffe/spiffe-id.ts';
import { ensureOwnerOnlyFolder, maxFileBytes, readOwnerOnly, writeOwnerOnly } from '../storage/owner-only.ts';
import type { LocalToken } from './local-token.ts';
import type { NarrowedToken } from './narrowed-token.ts';

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

/** Whom a token speaks for while it lasts: for connections that show it each time and get no certificate. */
export interface TokenHolder {
  readonly id: string;
  /** As a refusal says it. */
  readonly words: string;
  speaksFor(id: SpiffeId): boolean;
  /** Why it counts no more; '' while it does. */
  fault(): string;
  /** Somebody who calls itself this gets a key: a new name is a use. Throws IdentityFault `token-refused` when there is none left. */
  useFor(nodeId: string): void;
}

interface StoredToken extends JoinTokenEntry {
  /** SHA-256 of the secret part, hexadecimal. Of 256 random bits there is no guessing, so no slower hash is needed. */
  readonly secretHash: string;
  /** The last uses: SHA-256 of the public key, and when. */
  readonly recent: ReadonlyArray<{ readonly keyHash: string; readonly atMs: number }>;
  /** Who got keys by showing it on a stream: of each node id half of its SHA-256. Not there in files from before. */
  readonly nodes?: readonly string[];
}

const form = /^ojt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const maxTokens = 10_000;
const maxIdentities = 64;
const maxUses = 1_000_000;
const repeatWindowMs = 10 * 60_000;
const maxRecent = 32;
/** Of one token, which keeps each. */
const maxNodes = 10_000;
const minuteMs = 60_000;
const yearMs = 366 * 24 * 60 * minuteMs;

export class JoinTokens {
  readonly #path: string;
  readonly #trustDomain: string;
  readonly #clock: IssuingClock;
  readonly #local: LocalToken | null;
  readonly #maxBytes: number;
  /** A token's line in the file, made once: of many tokens a use changes one. */
  readonly #lines = new WeakMap<StoredToken, string>();
  #tokens: ReadonlyMap<string, StoredToken>;

  /**
   * Makes the folder. `local`: the control plane's own, null for none. `maxBytes`: of the file, by default what can be read back; new tokens may take half of it, the rest is for their uses. Throws IdentityFault
   * `unsafe-file` or `malformed`, and the system's errors.
   */
  constructor(
    folder: string,
    trustDomain: string,
    clock: IssuingClock,
    local: LocalToken | null = null,
    maxBytes: number = maxFileBytes,
  ) {
    ensureOwnerOnlyFolder(folder);
    this.#path = join(folder, 'join-tokens.json');
    this.#trustDomain = trustDomain;
    this.#clock = clock;
    this.#local = local;
    this.#maxBytes = maxBytes;
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
      else if (id.text === controlPlaneId(this.#trustDomain).text)
        throw new IdentityFault(
          'not-allowed',
          `a join token can't be for ${id.text}, the control plane's own identity`,
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
    this.#save(
      live.set(id, { ...entry, secretHash: sha256(secret).toString('hex'), recent: [] }),
      this.#maxBytes / 2,
      'not-allowed',
    );
    return { token: `ojt_${id}_${secret}`, entry };
  }

  /**
   * Uses a token for a key: the identity that its bearer gets, which is the one wanted, or the token's only one. Throws IdentityFault `token-refused` or `not-allowed`; more than "refused" is said only to
   * who knows the secret. `exhausted`: the file is full.
   */
  redeem(token: string, wanted: SpiffeId | null, publicKey: Uint8Array): SpiffeId {
    if (this.#isLocal(token)) return this.#localIdentity(wanted);
    const narrowed = this.#local?.narrowed(token) ?? null;
    if (narrowed !== null) return this.#narrowedIdentity(narrowed, wanted);
    const found = this.#find(token);
    const nowMs = this.#clock.nowMs();
    const identity = chooseIdentity(found, wanted);
    const keyHash = sha256(publicKey).toString('hex');
    const recent = found.recent.filter(({ atMs }) => nowMs - atMs < repeatWindowMs);
    if (recent.some((use) => use.keyHash === keyHash)) return identity;
    if (found.usesLeft === 0) throw usedUp(found);
    this.#save(
      new Map(this.#tokens).set(found.id, {
        ...found,
        usesLeft: found.usesLeft - 1,
        recent: [...recent, { keyHash, atMs: nowMs }].slice(-maxRecent),
      }),
    );
    return identity;
  }

  /**
   * Whom a token speaks for: who shows it each time, as an Envoy that gets its certificates by SDS; each node id that gets a key is a use, once. One that is used up, and by no such node, speaks for nobody: a
   * sidecar's own token is worth nothing once the sidecar has its certificate. Throws IdentityFault `token-refused`.
   */
  holder(token: string): TokenHolder {
    if (this.#isLocal(token))
      return {
        id: this.#local!.id,
        words: 'the local join token',
        speaksFor: (id) => this.#isServiceAccount(id),
        fault: () => '',
        useFor: () => {},
      };
    const narrowed = this.#local?.narrowed(token) ?? null;
    if (narrowed !== null) {
      this.#narrowedIdentity(narrowed, null);
      return {
        id: this.#local!.id,
        words: `the local join token made narrow for ${narrowed.identity}`,
        speaksFor: (id) => id.text === narrowed.identity,
        fault: () => this.#narrowedFault(narrowed),
        useFor: () => {},
      };
    }
    const { id, identities } = this.#find(token);
    const fault = (): string => {
      const now = this.#tokens.get(id);
      if (now === undefined) return `the join token ${id} was revoked; make a new one`;
      if (this.#clock.nowMs() >= now.expiresAtMs) return expired(now).message;
      return now.usesLeft === 0 && (now.nodes ?? []).length === 0 ? usedUp(now).message : '';
    };
    const words = fault();
    if (words !== '') throw new IdentityFault('token-refused', words);
    return {
      id,
      words: `the join token ${id} for ${identities.join(', ')}`,
      speaksFor: (wanted) => identities.includes(wanted.text),
      fault,
      useFor: (nodeId) => this.#useFor(id, nodeId),
    };
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

  #useFor(id: string, nodeId: string): void {
    const found = this.#tokens.get(id);
    if (found === undefined)
      throw new IdentityFault('token-refused', `the join token ${id} was revoked; make a new one`);
    const node = sha256(nodeId).toString('hex').slice(0, 32);
    const nodes = found.nodes ?? [];
    if (nodes.includes(node)) return;
    if (found.usesLeft === 0 || nodes.length >= maxNodes)
      throw new IdentityFault(
        'token-refused',
        `the join token ${id} is used up, and not by a proxy with this node.id; make one with as many uses as there are proxies`,
      );
    this.#save(new Map(this.#tokens).set(id, { ...found, usesLeft: found.usesLeft - 1, nodes: [...nodes, node] }));
  }

  /** The stored token whose secret this is. More than "refused" is said only to who knows the secret. */
  #find(token: string): StoredToken {
    const [, id = '', secret = ''] = form.exec(token) ?? [];
    const found = this.#tokens.get(id);
    // Compared also when there is none of this id, so that time does not tell.
    const matches = timingSafeEqual(sha256(secret), Buffer.from(found?.secretHash ?? '00'.repeat(32), 'hex'));
    if (found === undefined || !matches)
      throw new IdentityFault(
        'token-refused',
        'the join token is not known: it was mistyped, revoked, or has expired; make a new one',
      );
    if (this.#clock.nowMs() >= found.expiresAtMs) throw expired(found);
    return found;
  }

  #isLocal(token: string): boolean {
    return this.#local?.matches(token) === true;
  }

  #localIdentity(wanted: SpiffeId | null): SpiffeId {
    if (wanted === null)
      throw new IdentityFault('not-allowed', 'the local join token is for every service account; say which');
    if (!this.#isServiceAccount(wanted))
      throw new IdentityFault(
        'not-allowed',
        `the local join token is for service accounts of ${this.#trustDomain} other than the control plane's, and not for ${wanted.text}`,
      );
    return wanted;
  }

  #narrowedIdentity(narrowed: NarrowedToken, wanted: SpiffeId | null): SpiffeId {
    const fault = this.#narrowedFault(narrowed);
    if (fault !== '') throw new IdentityFault('token-refused', fault);
    if (wanted !== null && wanted.text !== narrowed.identity)
      throw new IdentityFault(
        'not-allowed',
        `the local join token was made narrow for ${narrowed.identity}, and not for ${wanted.text}`,
      );
    return this.#localIdentity(parseSpiffeId(narrowed.identity));
  }

  #narrowedFault({ identity, expiresAtMs }: NarrowedToken): string {
    return this.#clock.nowMs() < expiresAtMs
      ? ''
      : `the local join token made narrow for ${identity} expired at ${new Date(expiresAtMs).toISOString()}; make another`;
  }

  #isServiceAccount(id: SpiffeId): boolean {
    return (
      id.trustDomain === this.#trustDomain &&
      serviceAccountOf(id) !== null &&
      id.text !== controlPlaneId(this.#trustDomain).text
    );
  }

  #withoutExpired(): Map<string, StoredToken> {
    const nowMs = this.#clock.nowMs();
    return new Map([...this.#tokens].filter(([, token]) => nowMs < token.expiresAtMs));
  }

  /** On the disk, then in memory, without those that have expired. Throws IdentityFault of this reason when it would be larger than this. */
  #save(
    tokens: ReadonlyMap<string, StoredToken>,
    maxBytes: number = this.#maxBytes,
    reason: 'exhausted' | 'not-allowed' = 'exhausted',
  ): void {
    const nowMs = this.#clock.nowMs();
    const live = new Map([...tokens].filter(([, token]) => nowMs < token.expiresAtMs));
    const text = `[\n${[...live.values()].map((token) => this.#lineOf(token)).join(',\n')}\n]\n`;
    if (Buffer.byteLength(text) > maxBytes)
      throw new IdentityFault(
        reason,
        `the file of the join tokens is full (${live.size} tokens, what they are for and who has used them, in ${maxBytes} bytes); revoke those that are not needed (outrigger identity token list)`,
      );
    writeOwnerOnly(this.#path, text);
    this.#tokens = live;
  }

  #lineOf(token: StoredToken): string {
    let line = this.#lines.get(token);
    if (line === undefined) {
      line = JSON.stringify(token);
      this.#lines.set(token, line);
    }
    return line;
  }
}

function expired({ id, expiresAtMs }: StoredToken): IdentityFault {
  return new IdentityFault(
    'token-refused',
    `the join token ${id} expired at ${new Date(expiresAtMs).toISOString()}; make a new one`,
  );
}

function usedUp({ id }: StoredToken): IdentityFault {
  return new IdentityFault('token-refused', `the join token ${id} is used up; make a new one`);
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
  const {
    id,
    identities,
    usesLeft,
    expiresAtMs,
    secretHash,
    recent,
    nodes = [],
  } = (value ?? {}) as Partial<Record<keyof StoredToken, unknown>>;
  return (
    typeof id === 'string' &&
    typeof secretHash === 'string' &&
    /^[0-9a-f]{64}$/.test(secretHash) &&
    Number.isInteger(usesLeft) &&
    typeof expiresAtMs === 'number' &&
    Array.isArray(identities) &&
    identities.every((identity) => typeof identity === 'string') &&
    Array.isArray(recent) &&
    Array.isArray(nodes) &&
    nodes.every((node) => typeof node === 'string')
  );
}
