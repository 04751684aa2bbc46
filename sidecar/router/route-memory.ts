/** What is remembered of routes from one request to the next, and from one configuration to the next: how long requests take, and the last good answers. One for the process; nothing is made before a route asks for it. */
import { StaleAnswers } from './fallback/stale-answers.ts';
import { LatencyEstimate } from './latency-estimate.ts';

/** About 1.5 MB. Of more, those that were not asked for longest begin anew with the next configuration. */
const mostEstimates = 1024;
/** Of all last good answers together. */
const staleAnswerBytes = 16 * 1024 * 1024;

export class RouteMemory {
  readonly #latencies = new Map<string, LatencyEstimate>();
  #staleAnswers: StaleAnswers | null = null;

  /** Of one route's requests to one of its clusters; `route`: its memoryKey. Ask once for each configuration. */
  latenciesOf(route: string, cluster: string): LatencyEstimate {
    const key = `${route}\n${cluster}`;
    const estimate = this.#latencies.get(key) ?? new LatencyEstimate();
    // At the end, as the one that was asked for last.
    this.#latencies.delete(key);
    this.#latencies.set(key, estimate);
    if (this.#latencies.size > mostEstimates) this.#latencies.delete(this.#latencies.keys().next().value!);
    return estimate;
  }

  get staleAnswers(): StaleAnswers {
    return (this.#staleAnswers ??= new StaleAnswers(staleAnswerBytes));
  }
}
