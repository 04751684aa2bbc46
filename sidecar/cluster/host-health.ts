/**
 * The health of a host, as Envoy keeps it: a set of flags from three sources (service discovery, active health checks, outlier detection) that never overwrite each other.
 * A host gets its usual share only while no flag says otherwise.
 */
import type { EndpointConfig } from '../config/cluster-config.ts';

export const failedActiveCheck = 0x1;
export const failedOutlierCheck = 0x2;
export const failedEdsHealth = 0x4;
export const degradedActiveCheck = 0x8;
export const degradedEdsHealth = 0x10;
/** Gone from the assignment, and still passing its health checks: it stays until it fails one. */
export const pendingRemoval = 0x20;
/** Not checked yet; only with `ignore_new_hosts_until_first_hc`. */
export const pendingActiveCheck = 0x40;
/** It said `x-envoy-immediate-health-check-fail`. */
export const excludedByImmediateFailure = 0x80;
/** Its last health check had no answer. */
export const activeCheckTimedOut = 0x100;
export const edsDraining = 0x200;

/** What active health checks say. */
export const activeCheckFlags =
  failedActiveCheck | degradedActiveCheck | pendingActiveCheck | excludedByImmediateFailure | activeCheckTimedOut;

const unhealthy = failedActiveCheck | failedOutlierCheck | failedEdsHealth | edsDraining;
const degraded = degradedActiveCheck | degradedEdsHealth;
/** Such hosts do not count when the share of healthy hosts is worked out. */
const excluded = pendingActiveCheck | excludedByImmediateFailure;
const fromEds = failedEdsHealth | degradedEdsHealth | edsDraining;

export function isHealthy(flags: number): boolean {
  return (flags & (unhealthy | degraded)) === 0;
}

export function isDegraded(flags: number): boolean {
  return (flags & unhealthy) === 0 && (flags & degraded) !== 0;
}

export function isExcluded(flags: number): boolean {
  return (flags & excluded) !== 0;
}

/** `flags` with what service discovery says now. */
export function withEdsHealth(flags: number, health: EndpointConfig['health']): number {
  return (flags & ~fromEds) | edsFlags[health];
}

const edsFlags: Readonly<Record<EndpointConfig['health'], number>> = {
  healthy: 0,
  unknown: 0,
  degraded: degradedEdsHealth,
  draining: edsDraining,
  unhealthy: failedEdsHealth,
  timeout: failedEdsHealth,
};

/** In Envoy's order and words. */
const flagNames: ReadonlyArray<readonly [number, string]> = [
  [failedActiveCheck, '/failed_active_hc'],
  [failedOutlierCheck, '/failed_outlier_check'],
  [failedEdsHealth, '/failed_eds_health'],
  [degradedActiveCheck, '/degraded_active_hc'],
  [degradedEdsHealth, '/degraded_eds_health'],
  [pendingRemoval, '/pending_dynamic_removal'],
  [pendingActiveCheck, '/pending_active_hc'],
  [excludedByImmediateFailure, '/excluded_via_immediate_hc_fail'],
  [activeCheckTimedOut, '/active_hc_timeout'],
  [edsDraining, '/eds_status_draining'],
];

/** `healthy`, or the flags as Envoy's `/clusters` writes them. */
export function healthFlagsText(flags: number): string {
  let text = '';
  for (const [flag, name] of flagNames) if ((flags & flag) !== 0) text += name;
  return text === '' ? 'healthy' : text;
}
