/** How a circuit breaker is, for `/circuit_breakers`, `/clusters` and the CLI. Made only when asked. */
import type { BreakerScope } from './breaker-stats.ts';
import { type BreakerState, spanOf } from './circuit-breaker.ts';
import type { RunningBreaker } from './running-breaker.ts';

export interface BreakerStatus {
  readonly scope: BreakerScope;
  readonly name: string;
  readonly rule: string;
  readonly state: BreakerState;
  readonly heldByOperator: boolean;
  /** RFC 3339. */
  readonly since: string;
  readonly sinceSeconds: number;
  /** '': it was never in another state. */
  readonly why: string;
  /** Until it lets a probe through, where it is open and nobody holds it. */
  readonly nextProbeSeconds: number | null;
  /** That followed upon each other; each makes the next open time longer. 0 again once it was closed for long enough. */
  readonly openingsInARow: number;
  readonly window: {
    readonly seconds: number;
    readonly calls: number;
    readonly failures: number;
    readonly slow: number;
    readonly consecutiveFailures: number;
  };
  readonly probes: { readonly active: number; readonly succeeded: number; readonly wanted: number };
  readonly total: {
    readonly calls: number;
    readonly failures: number;
    readonly slow: number;
    readonly refused: number;
    /** Times that it opened, by itself or by an operator. */
    readonly opened: number;
  };
}

export function breakerStatus(
  { scope, name, machine, opened }: RunningBreaker,
  nowMs: number,
  wallMs: number,
): BreakerStatus {
  machine.refresh(nowMs);
  const { config, counts, window, probes } = machine;
  const { calls, failures, slow } = window;
  const sinceMs = nowMs - machine.sinceMs;
  const leftMs = machine.openLeftMs(nowMs);
  return {
    scope,
    name,
    rule: config.rule,
    state: machine.state,
    heldByOperator: machine.forced !== null,
    since: new Date(wallMs - sinceMs).toISOString(),
    sinceSeconds: seconds(sinceMs),
    why: machine.why,
    nextProbeSeconds: machine.state === 'open' && machine.forced === null ? seconds(leftMs) : null,
    openingsInARow: machine.openingsInARow,
    window: {
      seconds: seconds(config.windowMs),
      calls,
      failures,
      slow,
      consecutiveFailures: machine.consecutiveFailures,
    },
    probes: { ...probes, wanted: config.successesToClose },
    total: {
      calls: counts.calls.value,
      failures: counts.failures.value,
      slow: counts.slow.value,
      refused: counts.refused.value,
      opened,
    },
  };
}

/** `open for 12.4 s: 61 % of 240 calls failed in 10 s (limit 50 %)`. */
export function breakerLine({ state, sinceSeconds, why }: BreakerStatus): string {
  return `${state} for ${spanOf(sinceSeconds * 1_000)}${why === '' ? '' : `: ${why}`}`;
}

/** As the admin endpoint writes it. */
export function breakerJson(status: BreakerStatus): unknown {
  const { scope, name, rule, state, since, why, openingsInARow, window, probes, total } = status;
  return {
    scope,
    name,
    ...(rule === '' ? {} : { rule }),
    state: state.replace('-', '_'),
    held_by_operator: status.heldByOperator,
    since,
    since_seconds: status.sinceSeconds,
    why,
    ...(status.nextProbeSeconds === null ? {} : { next_probe_seconds: status.nextProbeSeconds }),
    openings_in_a_row: openingsInARow,
    window: {
      seconds: window.seconds,
      calls: window.calls,
      failures: window.failures,
      slow: window.slow,
      consecutive_failures: window.consecutiveFailures,
    },
    probes,
    total,
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
