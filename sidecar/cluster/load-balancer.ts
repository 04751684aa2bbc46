/** Choosing a host: the interface that balancers share, and which one a cluster gets. Nothing is allocated per choice. */
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Random } from '../runtime/clock.ts';
import type { HostSet } from './host-set.ts';
import { leastRequest } from './least-request.ts';
import { randomChoice } from './random-choice.ts';
import { roundRobin } from './round-robin.ts';
import type { RunningHost } from './running-host.ts';

/** Gives a host, or null when there is none. */
export type LoadBalancer = (hosts: HostSet) => RunningHost | null;

export function createLoadBalancer(config: ClusterConfig['loadBalancing'], random: Random): LoadBalancer {
  switch (config.kind) {
    case 'round-robin':
      return roundRobin();
    case 'least-request':
      return leastRequest(random, config.choiceCount);
    case 'random':
      return randomChoice(random);
  }
}
