/** A count for each caller that has requests, and so many in all: one that has none is forgotten when its place is needed. */
import type { RequestCount } from './request-count.ts';

/** Callers proved who they are, so there are no more of them than workloads in the mesh. */
const mostCallers = 1_024;

export class CallerCounts {
  readonly #make: (label: string, identity: string) => RequestCount;
  readonly #byIdentity = new Map<string, RequestCount>();
  readonly #most: number;
  /** Of callers beyond so many that all have requests: they share one. */
  #others: RequestCount | null = null;

  /** `make`: a count, with what its caller is called in metrics and answers. */
  constructor(make: (label: string, identity: string) => RequestCount, most = mostCallers) {
    this.#make = make;
    this.#most = most;
  }

  get size(): number {
    return this.#byIdentity.size;
  }

  of(identity: string, label: string): RequestCount {
    return this.#byIdentity.get(identity) ?? this.#add(identity, label);
  }

  #add(identity: string, label: string): RequestCount {
    if (this.#byIdentity.size >= this.#most && !this.#forgetOne()) return (this.#others ??= this.#make('overflow', ''));
    const count = this.#make(label, identity);
    this.#byIdentity.set(identity, count);
    return count;
  }

  #forgetOne(): boolean {
    for (const [identity, { idle }] of this.#byIdentity) {
      if (!idle) continue;
      this.#byIdentity.delete(identity);
      return true;
    }
    return false;
  }
}
