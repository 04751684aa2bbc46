/** How long a service takes for a request: what a simulation may say of it, as numbers to draw from. */
import type { Random } from '../../sidecar/runtime/clock.ts';

export type LatencySpec =
  /** Always the same. */
  | { readonly kind: 'fixed'; readonly ms: number }
  /** Anything between the two is as likely. */
  | { readonly kind: 'uniform'; readonly fromMs: number; readonly toMs: number }
  /** Exponential: many short ones, few long ones. */
  | { readonly kind: 'mean'; readonly ms: number }
  /** Log-normal, by its median and its 99th percentile: what most services look like. */
  | { readonly kind: 'percentiles'; readonly p50Ms: number; readonly p99Ms: number };

/** The 99th percentile of the standard normal distribution. */
const normal99 = 2.326_347_874;

/** Milliseconds of one request; fractions count. */
export function drawLatency(spec: LatencySpec, random: Random): number {
  switch (spec.kind) {
    case 'fixed':
      return spec.ms;
    case 'uniform':
      return spec.fromMs + random() * (spec.toMs - spec.fromMs);
    case 'mean':
      return drawExponential(spec.ms, random);
    case 'percentiles':
      return spec.p50Ms * Math.exp((Math.log(spec.p99Ms / spec.p50Ms) / normal99) * drawNormal(random));
  }
}

export function drawExponential(mean: number, random: Random): number {
  return -mean * Math.log(1 - random());
}

/** Standard normal (Box and Muller). */
function drawNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
