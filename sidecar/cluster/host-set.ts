/**
 * The hosts of a cluster that a balancer may choose from: the first priority that has enough healthy hosts, or every host of it when so few are healthy
 * that sending all traffic to them would be worse (panic). Rebuilt when endpoints change, never per request.
 */
import type { LoadAssignmentConfig } from '../config/cluster-config.ts';
import { RunningHost } from './running-host.ts';

export interface HostSetChange {
  readonly added: readonly RunningHost[];
  readonly removed: readonly RunningHost[];
}

export class HostSet {
  /** All hosts by address. */
  readonly byAddress = new Map<string, RunningHost>();
  /** What balancers choose from. */
  choices: readonly RunningHost[] = [];
  /** Not all hosts in `choices` weigh the same. */
  weighted = false;

  /** Takes over an assignment: hosts keep their state by address. */
  update(assignment: LoadAssignmentConfig | null, panicThresholdPercent: number): HostSetChange {
    const seen = new Set<string>();
    const added: RunningHost[] = [];
    for (const locality of assignment?.localities ?? []) {
      for (const endpoint of locality.endpoints) {
        const { host, port } = endpoint.address;
        const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
        const known = this.byAddress.get(address);
        if (seen.has(address)) continue;
        seen.add(address);
        if (known === undefined) {
          const fresh = new RunningHost(endpoint, locality);
          this.byAddress.set(address, fresh);
          added.push(fresh);
        } else {
          known.endpoint = endpoint;
          known.locality = locality;
        }
      }
    }
    const removed: RunningHost[] = [];
    for (const [address, host] of this.byAddress) {
      if (seen.has(address)) continue;
      this.byAddress.delete(address);
      removed.push(host);
    }
    this.#choose(panicThresholdPercent);
    return { added, removed };
  }

  get healthyCount(): number {
    let count = 0;
    for (const host of this.byAddress.values()) if (host.healthy) count++;
    return count;
  }

  #choose(panicThresholdPercent: number): void {
    const priorities = new Map<number, RunningHost[]>();
    for (const host of this.byAddress.values()) {
      // Draining hosts take no new requests, not even in panic; a locality of weight 0 is not wanted (Envoy).
      if (host.endpoint.health === 'draining') continue;
      const { priority } = host.locality;
      const group = priorities.get(priority);
      if (group === undefined) priorities.set(priority, [host]);
      else group.push(host);
    }
    const ordered = [...priorities.keys()].sort((a, b) => a - b).map((priority) => priorities.get(priority)!);
    this.choices = [];
    for (const group of ordered) {
      const healthy = group.filter((host) => host.healthy);
      if (healthy.length > 0 && healthy.length * 100 >= group.length * panicThresholdPercent) {
        this.#set(healthy);
        return;
      }
    }
    // No priority is healthy enough: all hosts of the first one share the load (panic), unless panic is switched off.
    const first = ordered[0] ?? [];
    this.#set(panicThresholdPercent > 0 ? first : (ordered.map((group) => group.filter((host) => host.healthy)).find((group) => group.length > 0) ?? []));
  }

  #set(hosts: readonly RunningHost[]): void {
    this.choices = hosts;
    this.weighted = hosts.some((host) => host.weight !== hosts[0]!.weight);
  }
}
