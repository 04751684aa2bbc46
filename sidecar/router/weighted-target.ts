/** A cluster that a route leads to, compiled. */
import type { WeightedClusterConfig } from '../config/route-config.ts';
import { HeaderMutation } from './header-mutation.ts';
import type { LatencyEstimate } from './latency-estimate.ts';

export class WeightedTarget {
  readonly name: string;
  readonly weight: number;
  readonly requestHeaders: HeaderMutation | null;
  readonly responseHeaders: HeaderMutation | null;
  /** How long its requests take lately, where somebody asks; owned by the router. */
  latencies: LatencyEstimate | null = null;

  constructor(config: WeightedClusterConfig) {
    this.name = config.name;
    this.weight = config.weight;
    this.requestHeaders = HeaderMutation.compile(config.requestHeaders);
    this.responseHeaders = HeaderMutation.compile(config.responseHeaders);
  }
}
