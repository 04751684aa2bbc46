/**
 * How often certificates are signed: for one proxy a few times a minute, for one identity as often as a large number of replicas needs when all renew at once. Whoever has a certificate could else sign for itself without
 * end, and wash everybody's lines out of the issuing log.
 */
import { createHash } from 'node:crypto';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';

/** At once. A proxy that asks in vain asks again ten times in a minute at most. */
const burstOfProxy = 20;
const proxyRefillMs = 10_000;
/** Leaves of a few seconds are renewed as often as that takes. */
const refillsInLife = 8;
/** At once, and then in a minute: twice the connections of one identity, and as many as these. */
const burstOfIdentity = 2_048;
const identityPerMinute = 1_024;
const minuteMs = 60_000;
/** Proxies and identities that are counted one by one. */
const maxBuckets = 100_000;
const prunePeriodMs = 10_000;

export interface SigningLimits {
  readonly burstOfProxy?: number;
  readonly burstOfIdentity?: number;
}

export class SigningRate {
  readonly #proxies: Buckets;
  readonly #identities: Buckets;

  constructor(nowMs: () => number, leafLifetimeMs: number, limits: SigningLimits = {}) {
    this.#proxies = new Buckets(
      nowMs,
      limits.burstOfProxy ?? burstOfProxy,
      Math.min(proxyRefillMs, leafLifetimeMs / refillsInLife),
    );
    this.#identities = new Buckets(
      nowMs,
      limits.burstOfIdentity ?? burstOfIdentity,
      Math.min(minuteMs, leafLifetimeMs) / identityPerMinute,
    );
  }

  /** Once more for this proxy, by what tells it from others of its identity, as its token; null: that is bounded elsewhere. Throws IdentityFault `exhausted`. */
  take(id: SpiffeId, proxy: string | null): void {
    if (proxy !== null && !this.#proxies.take(createHash('sha256').update(proxy).digest('base64')))
      throw new IdentityFault(
        'exhausted',
        `a proxy of ${id.text} asks for certificates too often; it gets the next one in a moment`,
      );
    if (!this.#identities.take(id.text))
      throw new IdentityFault(
        'exhausted',
        `${id.text} asks for too many certificates: more than ${identityPerMinute} a minute; try again in a moment`,
      );
  }
}

/** Token buckets; one that is full again is forgotten. */
class Buckets {
  readonly #nowMs: () => number;
  readonly #burst: number;
  readonly #refillMs: number;
  /** When each is full again. */
  readonly #fullMs = new Map<string, number>();
  #prunedMs = 0;

  constructor(nowMs: () => number, burst: number, refillMs: number) {
    this.#nowMs = nowMs;
    this.#burst = burst;
    this.#refillMs = refillMs;
  }

  take(key: string): boolean {
    const nowMs = this.#nowMs();
    const most = nowMs + this.#burst * this.#refillMs;
    const before = this.#fullMs.get(key) ?? 0;
    // Later than it can be: the clock was set back, and nobody is to be locked out by that.
    const fullMs = (before > most ? nowMs : Math.max(nowMs, before)) + this.#refillMs;
    if (fullMs > most) return false;
    if (this.#fullMs.size >= maxBuckets) this.#prune(nowMs);
    // Of more than can be counted the others go uncounted.
    if (this.#fullMs.size < maxBuckets || this.#fullMs.has(key)) this.#fullMs.set(key, fullMs);
    return true;
  }

  #prune(nowMs: number): void {
    if (Math.abs(nowMs - this.#prunedMs) < prunePeriodMs) return;
    this.#prunedMs = nowMs;
    for (const [key, fullMs] of this.#fullMs) if (fullMs <= nowMs) this.#fullMs.delete(key);
  }
}
