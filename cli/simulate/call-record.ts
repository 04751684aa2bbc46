/** What became of one caller's calls of a service, as the caller saw it: since the last look, and altogether. */
import { LatencyHistogram } from './latency-histogram.ts';

export interface CallCounts {
  readonly ended: number;
  /** Answered below 500, and not refused by a limit (429). */
  readonly succeeded: number;
  /** Requests that its sidecar sent for them, first ones and others. */
  readonly attempts: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class CallRecord {
  readonly from: string;
  readonly to: string;
  begun = 0;
  #ended = 0;
  #succeeded = 0;
  #attempts = 0;
  readonly #latency = new LatencyHistogram();
  #allEnded = 0;
  #allSucceeded = 0;
  #allAttempts = 0;
  readonly #allLatency = new LatencyHistogram();
  readonly #failures = new Map<string, number>();

  constructor(from: string, to: string) {
    this.from = from;
    this.to = to;
  }

  count(status: number, flag: string, attempts: number, durationMs: number): void {
    this.#ended++;
    this.#attempts += attempts;
    this.#latency.record(durationMs);
    if (status < 500 && status !== 429) {
      this.#succeeded++;
      return;
    }
    const what = flag === '' ? String(status) : `${status} ${flag}`;
    this.#failures.set(what, (this.#failures.get(what) ?? 0) + 1);
  }

  /** Since the last time. */
  take(): CallCounts {
    const counts = figures(this.#ended, this.#succeeded, this.#attempts, this.#latency);
    this.#addUp();
    return counts;
  }

  /** Behind the last take(). */
  get total(): CallCounts {
    return figures(this.#allEnded, this.#allSucceeded, this.#allAttempts, this.#allLatency);
  }

  /** By status and response flag, the most frequent first. */
  get failures(): ReadonlyArray<{ readonly what: string; readonly count: number }> {
    return [...this.#failures]
      .map(([what, count]) => ({ what, count }))
      .sort((a, b) => b.count - a.count || (a.what < b.what ? -1 : 1));
  }

  #addUp(): void {
    this.#allEnded += this.#ended;
    this.#allSucceeded += this.#succeeded;
    this.#allAttempts += this.#attempts;
    this.#latency.addTo(this.#allLatency);
    this.#ended = 0;
    this.#succeeded = 0;
    this.#attempts = 0;
    this.#latency.clear();
  }
}

function figures(ended: number, succeeded: number, attempts: number, latency: LatencyHistogram): CallCounts {
  return { ended, succeeded, attempts, p50Ms: latency.percentileMs(0.5), p99Ms: latency.percentileMs(0.99) };
}
