/** What a failure script does to one endpoint at a moment: the sum of the failures that hold for it now. */

/** One failure of a script, for as long as it holds. */
export interface FailureSpec {
  readonly atMs: number;
  /** Infinity: to the end. */
  readonly forMs: number;
  /** How many endpoints, or a share of them; chosen at random, once. */
  readonly endpoints:
    | { readonly kind: 'count'; readonly count: number }
    | { readonly kind: 'share'; readonly share: number };
  /** Share of requests that are answered with `status`. */
  readonly failShare: number;
  readonly status: number;
  readonly latency: LatencyChange | null;
  /** Of what it can do at once. */
  readonly capacityShare: number;
  /** Packets are dropped: nothing is answered, not even a connection. */
  readonly dead: boolean;
  /** The process is gone: connections are cut, and new ones refused. */
  readonly refuses: boolean;
}

export type LatencyChange =
  | { readonly kind: 'times'; readonly factor: number }
  | { readonly kind: 'plus'; readonly ms: number }
  | { readonly kind: 'fixed'; readonly ms: number };

/** What holds now. */
export interface Effects {
  readonly failShare: number;
  readonly status: number;
  readonly capacityShare: number;
  readonly dead: boolean;
  readonly refuses: boolean;
  readonly latency: readonly LatencyChange[];
}

export const noEffects: Effects = Object.freeze({
  failShare: 0,
  status: 503,
  capacityShare: 1,
  dead: false,
  refuses: false,
  latency: [],
});

/** Of several at once: requests must get past each, latencies change one after the other, the status is that of the first which fails any. */
export function combineEffects(active: readonly FailureSpec[]): Effects {
  if (active.length === 0) return noEffects;
  return {
    failShare: 1 - active.reduce((passes, { failShare }) => passes * (1 - failShare), 1),
    status: active.find(({ failShare }) => failShare > 0)?.status ?? 503,
    capacityShare: active.reduce((left, { capacityShare }) => left * capacityShare, 1),
    dead: active.some(({ dead }) => dead),
    refuses: active.some(({ refuses }) => refuses),
    latency: active.flatMap(({ latency }) => (latency === null ? [] : [latency])),
  };
}

export function changedLatency(ms: number, changes: readonly LatencyChange[]): number {
  let changed = ms;
  for (const change of changes) {
    if (change.kind === 'times') changed *= change.factor;
    else if (change.kind === 'plus') changed += change.ms;
    else changed = change.ms;
  }
  return changed;
}
