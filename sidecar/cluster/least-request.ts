/**
 * Least request, as Envoy's: of `choiceCount` hosts taken at random the one with the fewest requests in flight (power of two choices); when weights
 * differ, turns by weight / (requests in flight + 1).
 */
import type { Random } from '../runtime/clock.ts';
import type { LoadBalancer } from './load-balancer.ts';

/** `choiceCount`: Envoy's `choice_count`, at least 2. */
export function leastRequest(random: Random, choiceCount: number): LoadBalancer {
  return (group) => {
    if (group.schedule !== null) return group.schedule.nextByLoad();
    const { hosts } = group;
    const { length } = hosts;
    let best = hosts[Math.floor(random() * length)]!;
    if (length === 2) {
      // Two draws of two hosts would be the same host half of the time.
      const other = hosts[0] === best ? hosts[1]! : hosts[0]!;
      return other.activeRequests < best.activeRequests ? other : best;
    }
    for (let i = 1; i < choiceCount; i++) {
      const other = hosts[Math.floor(random() * length)]!;
      if (other.activeRequests < best.activeRequests) best = other;
    }
    return best;
  };
}
