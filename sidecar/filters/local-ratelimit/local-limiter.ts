/**
 * The buckets of one local rate limit: the default one, one for each descriptor that is configured, and one for each value that a descriptor with a wildcard was asked for. Of the latter a
 * bounded number is kept, those that were used last: whoever can send more values than that gets fresh buckets, but no more memory.
 */
import type { LocalDescriptorConfig, LocalRateLimitConfig, TokenBucketConfig } from '../../config/rate-limit-config.ts';
import { policyOfDescriptor } from '../ratelimit/descriptor-policy.ts';
import type { Descriptor } from '../ratelimit/request-descriptors.ts';
import { TokenBucket } from './token-bucket.ts';

/** For each descriptor with a wildcard. */
export const mostWildcardBuckets = 1024;

export class LocalLimiter {
  readonly #default: TokenBucket | null;
  readonly #alwaysDefault: boolean;
  readonly #exact = new Map<string, TokenBucket>();
  readonly #wildcards: readonly WildcardBuckets[];
  /** The bucket that decided last, or that the request counts against most; null: none. */
  decidedBy: TokenBucket | null = null;

  constructor(config: LocalRateLimitConfig, nowMs: number) {
    this.#default = config.bucket === null ? null : new TokenBucket(config.bucket, nowMs);
    this.#alwaysDefault = config.alwaysConsumesDefault;
    const wildcards: WildcardBuckets[] = [];
    for (const descriptor of config.descriptors) {
      if (descriptor.entries.some(([, value]) => value === '')) wildcards.push(new WildcardBuckets(descriptor));
      else
        this.#exact.set(
          keyOf(descriptor.entries),
          new TokenBucket(descriptor.bucket, nowMs, policyOfDescriptor(descriptor.entries)),
        );
    }
    this.#wildcards = wildcards;
  }

  /** Takes a token of every bucket that the request falls under, the slowest first; false: one of them had none. */
  take(descriptors: readonly Descriptor[], nowMs: number): boolean {
    const matched = descriptors.length === 0 ? none : this.#bucketsOf(descriptors, nowMs);
    for (const bucket of matched) {
      if (bucket.take(nowMs)) continue;
      this.decidedBy = bucket;
      return false;
    }
    this.decidedBy = matched[0] ?? this.#default;
    if (this.#default === null || (matched.length > 0 && !this.#alwaysDefault) || this.#default.take(nowMs))
      return true;
    this.decidedBy = this.#default;
    return false;
  }

  #bucketsOf(descriptors: readonly Descriptor[], nowMs: number): readonly TokenBucket[] {
    const found: TokenBucket[] = [];
    for (const descriptor of descriptors) {
      const key = keyOf(descriptor);
      const bucket = this.#exact.get(key) ?? this.#ofWildcard(descriptor, key, nowMs);
      if (bucket !== null) found.push(bucket);
    }
    return found.length > 1 ? found.sort((a, b) => a.tokensPerMs - b.tokensPerMs) : found;
  }

  #ofWildcard(descriptor: Descriptor, key: string, nowMs: number): TokenBucket | null {
    for (const wildcard of this.#wildcards) if (wildcard.matches(descriptor)) return wildcard.bucket(key, nowMs);
    return null;
  }
}

const none: readonly TokenBucket[] = [];

/** Two lists of entries have the same key only if they are the same. */
function keyOf(entries: Descriptor): string {
  let key = '';
  for (const [name, value] of entries) key += `${name.length}:${name}${value.length}:${value}`;
  return key;
}

class WildcardBuckets {
  readonly #entries: LocalDescriptorConfig['entries'];
  readonly #config: TokenBucketConfig;
  readonly #policy: string;
  /** The one that was used last is the last. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor({ entries, bucket }: LocalDescriptorConfig) {
    this.#entries = entries;
    this.#config = bucket;
    this.#policy = policyOfDescriptor(entries);
  }

  matches(descriptor: Descriptor): boolean {
    const entries = this.#entries;
    return (
      descriptor.length === entries.length &&
      entries.every(([key, value], i) => key === descriptor[i]![0] && (value === '' || value === descriptor[i]![1]))
    );
  }

  bucket(key: string, nowMs: number): TokenBucket {
    let bucket = this.#buckets.get(key);
    if (bucket !== undefined) this.#buckets.delete(key);
    else {
      bucket = new TokenBucket(this.#config, nowMs, this.#policy);
      if (this.#buckets.size >= mostWildcardBuckets) this.#buckets.delete(this.#buckets.keys().next().value!);
    }
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
