/** The place that a call of the sidecar's own has among the requests of its cluster (`max_requests`): from the stream that became ready until the cluster hears, once, how it ended. */
import type { ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Cluster, Host } from './upstream.ts';

/** With which a call of the sidecar's own resets its stream. */
export const cancelledCall: ProxyError = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'local_cancel',
  message: 'The call was cancelled by this sidecar.',
  http2Code: 8,
});

export class HeldPlace {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  /** Null: there is none, or it was given back. */
  #host: Host | null = null;
  #startedMs = 0;
  /** From the request to the response head: a stream's whole life says nothing of a host's speed. */
  #headMs = 0;

  constructor(cluster: Cluster, clock: Clock) {
    this.#cluster = cluster;
    this.#clock = clock;
  }

  take(host: Host): void {
    this.#host = host;
    this.#startedMs = this.#clock.nowMs();
  }

  onHead(head: ResponseHead, endStream: boolean): void {
    if (this.#host !== null) this.#cluster.onResponseHead?.(this.#host, head, endStream, this.#startedMs);
    this.#headMs = this.#clock.nowMs() - this.#startedMs;
  }

  /** `httpStatus`: as in {@link Cluster.onResponse}: 0: the upstream reset it; -1: its end says nothing. */
  giveBack(httpStatus: number): void {
    if (this.#host === null) return;
    const host = this.#host;
    this.#host = null;
    this.#cluster.onResponse(host, httpStatus, httpStatus > 0 ? this.#headMs : 0);
  }
}
