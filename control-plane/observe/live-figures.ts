/**
 * Figures of edges for who asks now, and their history. Every five seconds each sidecar is asked anyway, which costs it a walk over its counters: so there is a history when somebody comes to look. While somebody
 * looks, they are asked every second too.
 */
import { EdgeHistory, type HistoryPoint, stepMs } from './edge-history.ts';
import { type EdgeRow, edgeRows } from './edge-view.ts';
import { FigureFeed, type FiguresLeftOut } from './figure-feed.ts';
import type { ObserveHub } from './observe-hub.ts';
import { type Footprints, footprints } from './proxy-footprint.ts';
import type { SameInstances } from './shared-instances.ts';

export interface LiveFiguresInit {
  readonly hub: ObserveHub;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly sameInstances: SameInstances;
  readonly after: (delayMs: number, callback: () => void) => () => void;
}

export interface LiveRows {
  /** RFC 3339. */
  readonly at: string;
  readonly windowSeconds: number;
  readonly rows: readonly EdgeRow[];
  /** How many sidecars they are from. */
  readonly proxies: number;
  readonly silent: readonly string[];
}

const closeIntervalMs = 1_000;
const mostWindowMs = 60_000;
/** After the last look. */
const lookedAtMs = 30_000;

export class LiveFigures {
  readonly #init: LiveFiguresInit;
  readonly #standing: FigureFeed;
  readonly #history: EdgeHistory;
  readonly #leftOut: FiguresLeftOut = { reports: 0, edges: 0 };
  /** Null: nobody looks. */
  #close: FigureFeed | null = null;
  #closeSinceMs = 0;
  #stopClosing: () => void = () => {};

  constructor(init: LiveFiguresInit) {
    const { hub, nowMs, wallMs, sameInstances } = init;
    this.#init = init;
    this.#history = new EdgeHistory(nowMs, wallMs, sameInstances);
    this.#standing = new FigureFeed({
      ...{ hub, nowMs, intervalMs: stepMs, keepMs: mostWindowMs, leftOut: this.#leftOut },
      onReport: (report) => this.#history.add(report, (account) => hub.serviceOf(account)),
    });
  }

  /** Since it began: reports, and edges of them, that were not taken, and edges that found no place in the history. */
  get leftOut(): FiguresLeftOut & { readonly history: number } {
    return { ...this.#leftOut, history: this.#history.overflow };
  }

  rows(by: 'edge' | 'route', windowMs: number): LiveRows {
    const { hub, wallMs, nowMs, sameInstances } = this.#init;
    this.#look();
    // What has been asked for only now has nothing to say yet.
    const close =
      this.#close !== null && nowMs() - this.#closeSinceMs >= Math.min(windowMs, 3_500) ? this.#close : null;
    const feed = close ?? this.#standing;
    const windows = feed.window(windowMs);
    return {
      at: new Date(wallMs()).toISOString(),
      windowSeconds: windowMs / 1_000,
      rows: edgeRows(windows, by, (account) => hub.serviceOf(account), sameInstances),
      proxies: windows.length,
      silent: feed.silent(),
    };
  }

  /** Of sidecars that said so within the last minute. */
  footprints(): Footprints {
    return footprints(this.#standing.window(mostWindowMs));
  }

  /** '' for one of them: the sum over all. */
  history(source: string, destination: string, seconds: number): readonly HistoryPoint[] {
    return this.#history.points(source, destination, seconds);
  }

  close(): void {
    this.#stopClosing();
    this.#close?.close();
    this.#standing.close();
  }

  #look(): void {
    const { hub, nowMs, after } = this.#init;
    this.#stopClosing();
    this.#stopClosing = after(lookedAtMs, () => {
      this.#close?.close();
      this.#close = null;
    });
    if (this.#close !== null) return;
    this.#closeSinceMs = nowMs();
    this.#close = new FigureFeed({
      ...{ hub, nowMs, intervalMs: closeIntervalMs, keepMs: mostWindowMs, leftOut: this.#leftOut },
    });
  }
}
