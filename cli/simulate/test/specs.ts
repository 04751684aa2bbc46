/** A service and its failures, as a simulation file would describe them: what a test does not say is as plain as can be. */
import type { FailureSpec } from '../failure-effects.ts';
import type { ServiceSpec } from '../simulation.ts';

/** From the beginning to the end, of all endpoints, and of no effect. */
export function failure(more: Partial<FailureSpec> = {}): FailureSpec {
  return {
    atMs: 0,
    forMs: Infinity,
    endpoints: { kind: 'share', share: 1 },
    failShare: 0,
    status: 503,
    latency: null,
    capacityShare: 1,
    dead: false,
    refuses: false,
    ...more,
  };
}

/** One endpoint that answers after 10 ms, however much is asked. */
export function serviceSpec(more: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name: 'payments',
    endpoints: 1,
    sidecars: 1,
    protocol: 'http',
    latency: { kind: 'fixed', ms: 10 },
    concurrency: Infinity,
    queue: 1000,
    cancelled: 'finish',
    calls: [],
    failures: [],
    ...more,
  };
}
