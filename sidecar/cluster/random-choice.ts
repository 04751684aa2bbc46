/** A host at random, in proportion to its weight. */
import type { Random } from '../runtime/clock.ts';
import type { LoadBalancer } from './load-balancer.ts';

export function randomChoice(random: Random): LoadBalancer {
  return (hosts) => {
    const { choices } = hosts;
    if (choices.length === 0) return null;
    if (!hosts.weighted) return choices[Math.floor(random() * choices.length)]!;
    let total = 0;
    for (const host of choices) total += host.weight;
    let point = random() * total;
    for (const host of choices) {
      point -= host.weight;
      if (point < 0) return host;
    }
    return choices[choices.length - 1]!;
  };
}
