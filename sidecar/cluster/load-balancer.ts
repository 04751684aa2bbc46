/** Choosing a host: the interface that balancers share, and which one a cluster gets. Nothing is allocated per choice. */
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Random } from '../runtime/clock.ts';
import type { HostGroup } from './host-group.ts';
import { leastRequest } from './least-request.ts';
import type { PeakEwma } from './peak-ewma.ts';
import { randomChoice } from './random-choice.ts';
import { roundRobin } from './round-robin.ts';
import type { RunningHost } from './running-host.ts';

/** Gives one of the group's hosts. State, if any, lives in the group: one balancer serves all groups of a cluster. */
export type LoadBalancer = (group: HostGroup) => RunningHost;

/** `peakEwma`: made by the cluster, which tells it what answers took; null: the kind is another. */
export function createLoadBalancer(
  config: ClusterConfig['loadBalancing'],
  random: Random,
  peakEwma: PeakEwma | null = null,
): LoadBalancer {
  if (config.kind === 'peak-ewma') return peakEwma!.choose;
  switch (config.kind) {
    case 'round-robin':
      return roundRobin;
    case 'least-request':
      return leastRequest(random, config.choiceCount);
    case 'random':
      return randomChoice(random);
  }
}
