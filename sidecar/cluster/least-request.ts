/** Least request: of a few hosts chosen at random the one with the fewest requests in flight, in proportion to its weight (power of two choices; Envoy's choice_count). */
import type { Random } from '../runtime/clock.ts';
import type { LoadBalancer } from './load-balancer.ts';

export function leastRequest(random: Random, choiceCount: number): LoadBalancer {
  return (hosts) => {
    const { choices } = hosts;
    const { length } = choices;
    if (length === 0) return null;
    if (length === 1) return choices[0]!;
    let best = choices[Math.floor(random() * length)]!;
    if (length === 2 && !hosts.weighted) {
      const other = choices[0] === best ? choices[1]! : choices[0]!;
      return other.activeRequests < best.activeRequests ? other : best;
    }
    for (let i = 1; i < choiceCount; i++) {
      const other = choices[Math.floor(random() * length)]!;
      // (active + 1) / weight, without dividing.
      if ((other.activeRequests + 1) * best.weight < (best.activeRequests + 1) * other.weight) best = other;
    }
    return best;
  };
}
