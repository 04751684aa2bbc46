/** A host at random, each as likely as the other: like Envoy's, it does not look at weights. */
import type { Random } from '../runtime/clock.ts';
import type { LoadBalancer } from './load-balancer.ts';

export function randomChoice(random: Random): LoadBalancer {
  return ({ hosts }) => hosts[Math.floor(random() * hosts.length)]!;
}
