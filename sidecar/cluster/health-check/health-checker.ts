/** Active health checks of a cluster: one HostCheck per host, gauges, and the log of transitions. What a change of health does to the cluster is told to its owner. */
import type { HealthCheckConfig } from '../../config/health-check-config.ts';
import type { Random } from '../../runtime/clock.ts';
import type { TimerWheel } from '../../runtime/timer-wheel.ts';
import { degradedActiveCheck, failedActiveCheck, pendingActiveCheck } from '../host-health.ts';
import type { RunningHost } from '../running-host.ts';
import { GrpcExchange } from './grpc-exchange.ts';
import type { HealthCheckStats } from './health-check-stats.ts';
import { type CheckOutcome, HostCheck, type HostCheckContext } from './host-check.ts';
import { HttpExchange } from './http-exchange.ts';
import type { Probe, ProbeContext, ProbeOwner } from './probe.ts';
import { RequestProbe } from './request-probe.ts';
import { TcpProbe } from './tcp-probe.ts';

export interface HealthCheckerOwner {
  /** A check ended; the host's flags are the new ones. */
  onChecked(host: RunningHost, outcome: CheckOutcome): void;
}

export interface HealthCheckerInit {
  readonly config: HealthCheckConfig;
  /** `ignore_new_hosts_until_first_hc`. */
  readonly ignoreNewHosts: boolean;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly stats: HealthCheckStats;
  readonly used: () => boolean;
  readonly probes: ProbeContext;
  readonly log: (message: string) => void;
  readonly owner: HealthCheckerOwner;
}

export class HealthChecker {
  readonly #init: HealthCheckerInit;
  readonly #checks = new Map<RunningHost, HostCheck>();
  readonly #context: HostCheckContext;

  constructor(init: HealthCheckerInit) {
    this.#init = init;
    const { config, wheel, random, stats, used } = init;
    this.#context = {
      config,
      wheel,
      random,
      stats,
      used,
      onChecked: (host, outcome) => this.#onChecked(host, outcome),
    };
  }

  /** The host is watched from now on, and unhealthy until a check passes. Check it with start(). */
  add(host: RunningHost): void {
    host.health |= failedActiveCheck | (this.#init.ignoreNewHosts ? pendingActiveCheck : 0);
    this.#checks.set(host, new HostCheck(host, this.#context, (owner) => this.#probe(host, owner)));
  }

  /** Begins to check; not from add(), as the owner must have its lists in order first. */
  start(host: RunningHost): void {
    this.#checks.get(host)?.start();
  }

  watches(host: RunningHost): boolean {
    return this.#checks.has(host);
  }

  remove(host: RunningHost): void {
    const check = this.#checks.get(host);
    if (check === undefined) return;
    this.#checks.delete(host);
    check.close();
    const { stats } = this.#init;
    if ((host.health & failedActiveCheck) === 0) stats.healthy.value--;
    if ((host.health & degradedActiveCheck) !== 0) stats.degraded.value--;
  }

  failNow(host: RunningHost): void {
    this.#checks.get(host)?.failNow();
  }

  close(): void {
    for (const host of [...this.#checks.keys()]) this.remove(host);
  }

  #probe(host: RunningHost, owner: ProbeOwner): Probe {
    const { config, probes } = this.#init;
    const { check, reuseConnection: reuse, timeoutMs } = config;
    switch (check.kind) {
      case 'http':
        return new RequestProbe(new HttpExchange(check, () => owner.onNameChecked()), reuse, host, probes, owner);
      case 'grpc':
        return new RequestProbe(new GrpcExchange(check, timeoutMs), reuse, host, probes, owner);
      case 'tcp':
        return new TcpProbe(check, reuse, host, probes, owner);
    }
  }

  #onChecked(host: RunningHost, outcome: CheckOutcome): void {
    const { stats, owner } = this.#init;
    const changed = host.health ^ outcome.before;
    if ((changed & failedActiveCheck) !== 0) stats.healthy.value += (host.health & failedActiveCheck) === 0 ? 1 : -1;
    if ((changed & degradedActiveCheck) !== 0)
      stats.degraded.value += (host.health & degradedActiveCheck) === 0 ? -1 : 1;
    this.#log(host, outcome, changed);
    owner.onChecked(host, outcome);
  }

  #log(host: RunningHost, { passed, first, failures, reason }: CheckOutcome, changed: number): void {
    const { config, log } = this.#init;
    const { address } = host;
    if (passed) {
      if ((changed & failedActiveCheck) !== 0)
        log(`host ${address} is healthy: ${first ? 'its first health check passed' : 'its health checks pass again'}`);
      else if (config.alwaysLogSuccesses) log(`host ${address} passed a health check`);
      if ((changed & degradedActiveCheck) !== 0)
        log(
          `host ${address} is ${(host.health & degradedActiveCheck) === 0 ? 'not degraded any more' : 'degraded (x-envoy-degraded)'}`,
        );
    } else if ((changed & failedActiveCheck) !== 0)
      log(
        `host ${address} is unhealthy: ${reason}${failures > 1 ? ` (${failures} health checks in a row failed)` : ''}`,
      );
    else if (first || config.alwaysLogFailures)
      log(`host ${address} failed ${first ? 'its first' : 'a'} health check: ${reason}`);
  }
}
