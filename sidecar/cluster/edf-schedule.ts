/**
 * Earliest deadline first: hosts take turns in proportion to their weights, at O(log n) a turn and with nothing allocated. What Envoy does for weighted
 * round robin and weighted least request. Not a balancer; see round-robin.ts and least-request.ts.
 */
import type { Random } from '../runtime/clock.ts';
import type { RunningHost } from './running-host.ts';
import type { SlowStart } from './slow-start.ts';

export class EdfSchedule {
  readonly #hosts: readonly RunningHost[];
  /** When each host's next turn is, in turns of a host of weight 1. */
  readonly #deadlines: Float64Array;
  /** Binary heap of indexes into #hosts, earliest deadline first. */
  readonly #heap: Int32Array;
  /** Not null while one of them has less than its weight. */
  readonly #slowStart: SlowStart | null;

  /** `hosts` not empty. First turns are spread at random, so that many proxies (or one after each update) do not all begin with the same host. */
  constructor(hosts: readonly RunningHost[], random: Random, slowStart: SlowStart | null = null) {
    this.#hosts = hosts;
    this.#slowStart = slowStart;
    this.#deadlines = new Float64Array(hosts.length);
    this.#heap = new Int32Array(hosts.length);
    for (let i = 0; i < hosts.length; i++) {
      this.#deadlines[i] = random() / this.#weightOf(hosts[i]!);
      this.#heap[i] = i;
    }
    this.#heap.sort((a, b) => this.#deadlines[a]! - this.#deadlines[b]!);
  }

  /** The host whose turn it is, by weight alone. */
  next(): RunningHost {
    const host = this.#hosts[this.#heap[0]!]!;
    this.#takeTurn(this.#weightOf(host));
    return host;
  }

  /** The same with a weight that sinks with the requests in flight (Envoy's least request with weights: weight / (active + 1)). */
  nextByLoad(): RunningHost {
    const host = this.#hosts[this.#heap[0]!]!;
    this.#takeTurn(this.#weightOf(host) / (host.activeRequests + 1));
    return host;
  }

  #weightOf(host: RunningHost): number {
    return this.#slowStart === null ? host.weight : this.#slowStart.weightOf(host);
  }

  #takeTurn(weight: number): void {
    const heap = this.#heap;
    const deadlines = this.#deadlines;
    const { length } = heap;
    const moving = heap[0]!;
    const deadline = deadlines[moving]! + 1 / weight;
    deadlines[moving] = deadline;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && deadlines[heap[child + 1]!]! < deadlines[heap[child]!]!) child++;
      if (deadlines[heap[child]!]! >= deadline) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moving;
  }
}
