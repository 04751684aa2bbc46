/**
 * The hosts of a cluster, and from which of them a balancer may choose: by priority, locality, health and panic as Envoy does it. Groups are made when
 * endpoints or their health have changed, by the next request or reader (so many changes at once cost one remake), never per request. One difference to Envoy: a host that is DRAINING counts for nothing, not even in panic; it asked to be left alone.
 */
import type { LoadAssignmentConfig, LocalityConfig } from '../config/cluster-config.ts';
import type { Random } from '../runtime/clock.ts';
import { HostGroup } from './host-group.ts';
import { overprovisioningPercent, priorityShares } from './priority-load.ts';
import { hostAddress, RunningHost } from './running-host.ts';
import type { SlowStart } from './slow-start.ts';

export interface HostSetChange {
  readonly added: readonly RunningHost[];
  readonly removed: readonly RunningHost[];
}

export interface HostSetOptions {
  /** `common_lb_config.healthy_panic_threshold`. */
  readonly panicThresholdPercent: number;
  /** `common_lb_config.locality_weighted_lb_config`. */
  readonly localityWeighted: boolean;
  /** `common_lb_config.zone_aware_lb_config.fail_traffic_on_panic`: in panic nobody is asked, rather than everybody. */
  readonly failTrafficOnPanic: boolean;
  readonly random: Random;
  readonly slowStart: SlowStart | null;
}

/** Part of the traffic: up to `upToPercent` of 100, for one of `groups` by their locality weights. No groups: those requests have no host. */
interface TrafficShare {
  readonly upToPercent: number;
  readonly groups: readonly HostGroup[];
}

export class HostSet {
  /** All hosts by address. */
  readonly byAddress = new Map<string, RunningHost>();
  readonly #random: Random;
  readonly #options: HostSetOptions;
  /** Health changed since the groups were made. */
  #stale = false;
  #shares: TrafficShare[] = [];
  /** The common case: everything goes to one group. */
  #only: HostGroup | null = null;
  /** Right after refresh(). */
  healthyCount = 0;
  degradedCount = 0;
  excludedCount = 0;
  /** Requests that found a priority in panic are counted by it. */
  #panic = false;

  constructor(options: HostSetOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  /** Some priority is in panic: health is not looked at there. Right after refresh(). */
  get panic(): boolean {
    return this.#panic;
  }

  /**
   * Takes over an assignment: hosts keep their state by address. An address that stands twice counts once, where it stands first. `keep`: hosts that are gone from the assignment and
   * stay all the same (Envoy's `ignore_health_on_host_removal` off); default: none do.
   */
  update(assignment: LoadAssignmentConfig | null, keep: (host: RunningHost) => boolean = () => false): HostSetChange {
    const seen = new Set<string>();
    const added: RunningHost[] = [];
    for (const locality of assignment?.localities ?? []) {
      for (const endpoint of locality.endpoints) {
        const address = hostAddress(endpoint.address);
        if (seen.has(address)) continue;
        seen.add(address);
        const known = this.byAddress.get(address);
        if (known === undefined) {
          const fresh = new RunningHost(endpoint, locality);
          this.byAddress.set(address, fresh);
          added.push(fresh);
        } else known.update(endpoint, locality);
      }
    }
    const removed: RunningHost[] = [];
    // After all are known: a host that moved is none that is gone.
    for (const [address, host] of this.byAddress) {
      if (seen.has(address) || keep(host)) continue;
      this.byAddress.delete(address);
      removed.push(host);
    }
    this.#share();
    return { added, removed };
  }

  /** One of a cluster that has no assignment (ORIGINAL_DST). */
  add(host: RunningHost): void {
    this.byAddress.set(host.address, host);
    this.#stale = true;
  }

  /** One that was kept, or is of no assignment, goes now. */
  remove(host: RunningHost): void {
    this.byAddress.delete(host.address);
    this.#stale = true;
  }

  /** The health or the slow start of a host changed. */
  invalidate(): void {
    this.#stale = true;
  }

  /** Brings groups and counts up to date. */
  refresh(): void {
    if (this.#stale) this.#share();
  }

  /** The group that the next request goes to; null: no host. */
  chooseGroup(): HostGroup | null {
    if (this.#stale) this.#share();
    if (this.#only !== null) return this.#only;
    const point = this.#random() * 100;
    for (const { upToPercent, groups } of this.#shares) if (point < upToPercent) return chooseLocality(groups);
    return null;
  }

  /** Some host that fits, healthier ones first; null when there is none. Only for retries: it looks at every group. */
  find(fits: (host: RunningHost) => boolean): RunningHost | null {
    for (const { groups } of this.#shares) {
      for (const { hosts } of groups) {
        const start = Math.floor(this.#random() * hosts.length);
        for (let i = 0; i < hosts.length; i++) {
          const host = hosts[(start + i) % hosts.length]!;
          if (fits(host)) return host;
        }
      }
    }
    return null;
  }

  #share(): void {
    this.#stale = false;
    this.healthyCount = 0;
    this.degradedCount = 0;
    this.excludedCount = 0;
    const byPriority = new Map<number, RunningHost[]>();
    for (const host of this.byAddress.values()) {
      if (host.healthy) this.healthyCount++;
      else if (host.degraded) this.degradedCount++;
      if (host.excluded) this.excludedCount++;
      if (host.endpoint.health === 'draining') continue;
      const hosts = byPriority.get(host.locality.priority);
      if (hosts === undefined) byPriority.set(host.locality.priority, [host]);
      else hosts.push(host);
    }
    const priorities = [...byPriority.keys()].toSorted((a, b) => a - b).map((priority) => byPriority.get(priority)!);
    const shares = priorityShares(
      priorities.map((hosts) => ({
        total: hosts.reduce((count, host) => (host.excluded ? count : count + 1), 0),
        healthy: hosts.filter((host) => host.healthy).length,
        degraded: hosts.filter((host) => host.degraded).length,
      })),
      this.#options.panicThresholdPercent,
    );
    this.#panic = shares.some(({ panic }) => panic);
    const { failTrafficOnPanic } = this.#options;
    this.#shares = [];
    let upToPercent = 0;
    const add = (percent: number, hosts: RunningHost[], all: readonly RunningHost[]): void => {
      if (percent === 0) return;
      upToPercent += percent;
      this.#shares.push({ upToPercent, groups: this.#groups(hosts, all) });
    };
    for (const [i, { healthyPercent, degradedPercent, panic }] of shares.entries()) {
      const all = priorities[i]!;
      const inPanic = failTrafficOnPanic ? [] : all;
      const healthy = panic ? inPanic : all.filter((host) => host.healthy);
      add(healthyPercent, healthy, all);
      const degraded = panic ? inPanic : all.filter((host) => host.degraded);
      add(degradedPercent, degraded, all);
    }
    const [first] = this.#shares;
    this.#only = this.#shares.length === 1 && first!.groups.length === 1 ? first!.groups[0]! : null;
  }

  /** `all`: every host of the priority, to tell how much of a locality is left. */
  #groups(hosts: RunningHost[], all: readonly RunningHost[]): HostGroup[] {
    if (hosts.length === 0) return [];
    const { localityWeighted, slowStart } = this.#options;
    if (!localityWeighted) return [new HostGroup(hosts, 1, this.#random, slowStart)];
    const byLocality = new Map<LocalityConfig, RunningHost[]>();
    for (const host of hosts) {
      // A weighted locality without weight gets nothing (Envoy; gRFC A27).
      if (host.locality.weight === 0) continue;
      const members = byLocality.get(host.locality);
      if (members === undefined) byLocality.set(host.locality, [host]);
      else members.push(host);
    }
    return [...byLocality].map(([locality, members]) => {
      const total = Math.max(1, all.filter((host) => host.locality === locality && !host.excluded).length);
      const left = Math.min(1, (overprovisioningPercent * members.length) / total / 100);
      return new HostGroup(members, locality.weight * left, this.#random, slowStart);
    });
  }
}

/** Smooth weighted round robin over the few localities of a priority. */
function chooseLocality(groups: readonly HostGroup[]): HostGroup | null {
  if (groups.length < 2) return groups[0] ?? null;
  let best = groups[0]!;
  let total = 0;
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i]!;
    group.currentLocalityWeight += group.localityWeight;
    total += group.localityWeight;
    if (group.currentLocalityWeight > best.currentLocalityWeight) best = group;
  }
  best.currentLocalityWeight -= total;
  return best;
}
