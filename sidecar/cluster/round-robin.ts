/** Round robin: each host in turn; by smooth weighted round robin when weights differ. */
import type { LoadBalancer } from './load-balancer.ts';
import type { RunningHost } from './running-host.ts';

export function roundRobin(): LoadBalancer {
  let next = 0;
  return (hosts) => {
    const { choices } = hosts;
    const { length } = choices;
    if (length === 0) return null;
    if (!hosts.weighted) {
      next = next + 1 >= length ? 0 : next + 1;
      return choices[next]!;
    }
    let best: RunningHost | null = null;
    let total = 0;
    for (let i = 0; i < length; i++) {
      const host = choices[i]!;
      host.currentWeight += host.weight;
      total += host.weight;
      if (best === null || host.currentWeight > best.currentWeight) best = host;
    }
    best!.currentWeight -= total;
    return best;
  };
}
