/**
 * How traffic is shared between priorities when hosts are not healthy: Envoy's priority levels, degraded hosts and panic (docs: load balancing, "Priority
 * levels", "Panic threshold"). Pure arithmetic over counts; host-set.ts turns it into groups of hosts.
 */

export interface PriorityHealth {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
}

export interface PriorityShare {
  /** Per cent of the requests that go to the healthy hosts of this priority. In panic: to all hosts of it. */
  readonly healthyPercent: number;
  /** Per cent that go to its degraded hosts. */
  readonly degradedPercent: number;
  /** So few are healthy that health is not looked at. */
  readonly panic: boolean;
}

/** A priority counts as wholly healthy from 1/1.4 = 71.4 % healthy hosts on. Envoy's `overprovisioning_factor`. */
export const overprovisioningPercent = 140;

/**
 * Shares by priority, in order; all shares together are 100 unless `priorities` is empty. `panicThresholdPercent` 0 switches panic off: then a priority's
 * share may fall to hosts that do not exist, and those requests fail.
 */
export function priorityShares(priorities: readonly PriorityHealth[], panicThresholdPercent: number): PriorityShare[] {
  const healthy = priorities.map(({ healthy: count, total }) => availability(count, total));
  const degraded = priorities.map(({ degraded: count, total }) => availability(count, total));
  const sum = healthy.reduce((a, b) => a + b, 0) + degraded.reduce((a, b) => a + b, 0);
  const normalized = Math.min(100, sum);
  const panic = priorities.map(
    (priority) =>
      panicThresholdPercent > 0 &&
      normalized < 100 &&
      percent(priority.healthy + priority.degraded, priority.total) < panicThresholdPercent,
  );
  if (priorities.length > 0 && panic.every(Boolean)) return sharesByHostCount(priorities);
  const healthyShares = priorities.map(() => 0);
  const degradedShares = priorities.map(() => 0);
  let left = 100;
  if (normalized > 0) {
    left = distribute(healthyShares, healthy, normalized, left);
    left = distribute(degradedShares, degraded, normalized, left);
  }
  // What rounding left over goes to the first priority that has anybody; to the first of all when none has.
  const firstHealthy = healthy.findIndex((value) => value > 0);
  const firstDegraded = degraded.findIndex((value) => value > 0);
  if (firstHealthy >= 0) healthyShares[firstHealthy]! += left;
  else if (firstDegraded >= 0) degradedShares[firstDegraded]! += left;
  else if (priorities.length > 0) healthyShares[0]! += left;
  return priorities.map((_, i) => ({
    healthyPercent: healthyShares[i]!,
    degradedPercent: degradedShares[i]!,
    panic: panic[i]!,
  }));
}

function percent(count: number, total: number): number {
  return total === 0 ? 0 : (100 * count) / total;
}

function availability(count: number, total: number): number {
  return total === 0 ? 0 : Math.min(100, Math.floor((overprovisioningPercent * count) / total));
}

function distribute(shares: number[], available: readonly number[], normalized: number, left: number): number {
  let rest = left;
  for (let i = 0; i < shares.length; i++) {
    shares[i] = Math.min(rest, Math.floor((available[i]! * 100) / normalized));
    rest -= shares[i]!;
  }
  return rest;
}

/** Every priority is in panic: each gets what its number of hosts is worth. */
function sharesByHostCount(priorities: readonly PriorityHealth[]): PriorityShare[] {
  const all = priorities.reduce((sum, { total }) => sum + total, 0);
  let left = 100;
  const shares = priorities.map(({ total }) => {
    const share = all === 0 ? 0 : Math.floor((100 * total) / all);
    left -= share;
    return share;
  });
  const first = priorities.findIndex(({ total }) => total > 0);
  if (first >= 0) shares[first]! += left;
  return shares.map((share) => ({ healthyPercent: share, degradedPercent: 0, panic: true }));
}
