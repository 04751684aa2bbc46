/**
 * Finds hosts of a cluster that are gone without a word, among those that requests wait for (silence.ts judges each connection). Looks now and then while there are requests, and costs nothing else.
 *
 * A host is gone when one of its connections is and no other was acknowledged lately: then all of them end, so that what may be sent again is, and no request goes out on one that has rested. If another lives, it is the path
 * of the one that is broken, and only that ends.
 */
import { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { PooledConnection } from './pooled-connection.ts';
import type { RunningHost } from './running-host.ts';

const lookEveryMs = 100;
/** Kernels probe after a second without a segment; that must have had time to come back. */
const shortestLimitMs = 1_500;
const probeTimeMs = 500;

export interface HostWatchContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Those that are leaving too. */
  watchedHosts(): Iterable<RunningHost>;
  /** Its connections are ended behind this call, with `error`. */
  onHostGone(host: RunningHost, error: ProxyError): void;
}

export class HostWatch implements TimerTarget {
  readonly #context: HostWatchContext;
  readonly #limitMs: number;
  readonly #error: ProxyError;
  readonly #timer: WheelTimer;

  /** `connectTimeoutMs`: who acknowledges nothing for so long could not be connected to either. */
  constructor(context: HostWatchContext, connectTimeoutMs: number) {
    this.#context = context;
    this.#limitMs = Math.max(shortestLimitMs, connectTimeoutMs + probeTimeMs);
    this.#error = hostGone(this.#limitMs);
    this.#timer = new WheelTimer(this);
  }

  /** A request begins. */
  begin(): void {
    if (!this.#timer.armed) this.#context.wheel.arm(this.#timer, lookEveryMs);
  }

  onTimer(): void {
    const { clock, wheel } = this.#context;
    const nowMs = clock.nowMs();
    let waiting = false;
    for (const host of this.#context.watchedHosts()) {
      if (host.activeRequests === 0) continue;
      waiting = true;
      this.#look(host, nowMs);
    }
    if (waiting) wheel.arm(this.#timer, lookEveryMs);
  }

  #look(host: RunningHost, nowMs: number): void {
    const gone: PooledConnection[] = [];
    host.eachPool(({ connections }) => {
      for (const connection of connections)
        if (connection.activeStreams > 0 && connection.isPeerGone(nowMs, this.#limitMs)) gone.push(connection);
    });
    if (gone.length === 0) return;
    const ended = this.#lives(host) ? gone : connectionsOf(host);
    if (ended !== gone) this.#context.onHostGone(host, this.#error);
    for (const connection of ended) if (connection.ready) connection.destroy(this.#error);
  }

  #lives(host: RunningHost): boolean {
    return connectionsOf(host).some((connection) => connection.lastAcknowledgedMs() < this.#limitMs / 2);
  }
}

function connectionsOf(host: RunningHost): PooledConnection[] {
  const all: PooledConnection[] = [];
  host.eachPool(({ connections }) => all.push(...connections));
  return all;
}

/** The host may have acted on the request before it went: only what is safe to repeat is sent again. */
function hostGone(limitMs: number): ProxyError {
  return new ProxyError({
    flag: 'UC',
    source: 'upstream',
    details: 'upstream_reset_before_response_started{connection_termination}',
    message: `The host is gone: it has acknowledged nothing for ${limitMs} ms.`,
    retry: 'idempotent',
  });
}
