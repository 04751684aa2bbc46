/**
 * Finds hosts of a cluster that are gone without a word, among those that requests wait for (silence.ts judges each connection). Looks now and then while there are requests, and costs nothing else.
 *
 * As soon as one connection is suspected, its host is asked on its other connections too, also those at rest, and so are the other hosts that requests wait for. When the limit has passed:
 *
 *   most hosts (two at least) are silent ─▶ it is our own network: nothing ends before several limits have passed, and nobody counts as gone
 *   another connection of the host was answered since ─▶ the path is broken: only what is silent ends
 *   none was ─▶ the host is gone: all its connections end, so that what may be sent again is, and no request goes out on one that has rested
 */
import { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { PooledConnection } from './pooled-connection.ts';
import type { RunningHost } from './running-host.ts';

const lookEveryMs = 100;
/** Kernels probe after a second without a segment; that must have had time to come back. */
const shortestLimitMs = 1_500;
const probeAfterMs = 1_000;
const probeTimeMs = 500;
/** So many limits our own network may be away: kernels send again after 0.2 s, 0.6 s, 1.4 s, 3 s, 6.2 s. */
const patientLimits = 5;

export interface HostWatchContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Those that are leaving too. */
  watchedHosts(): Iterable<RunningHost>;
  /** Its connections are ended behind this call, with `error`. */
  onHostGone(host: RunningHost, error: ProxyError): void;
}

/** A host with a connection on which something stays without an answer. */
interface Suspicion {
  readonly host: RunningHost;
  readonly sinceMs: number;
  /** Those for which the limit has passed. */
  readonly silent: readonly PooledConnection[];
}

export class HostWatch implements TimerTarget {
  readonly #context: HostWatchContext;
  readonly #limitMs: number;
  readonly #timer: WheelTimer;
  /** Connections on which hosts are asked because of others, and since when. */
  readonly #inquired = new Map<PooledConnection, number>();
  /** When most hosts were silent last. */
  #ownNetworkMs = -Infinity;

  /** `connectTimeoutMs`: who acknowledges nothing for so long could not be connected to either. */
  constructor(context: HostWatchContext, connectTimeoutMs: number) {
    this.#context = context;
    this.#limitMs = Math.max(shortestLimitMs, connectTimeoutMs + probeTimeMs);
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
    const suspicions: Suspicion[] = [];
    for (const host of this.#context.watchedHosts()) {
      if (host.activeRequests === 0) continue;
      waiting = true;
      const suspicion = this.#look(host, nowMs);
      if (suspicion !== null) suspicions.push(suspicion);
    }
    if (suspicions.length > 0) this.#inquire(suspicions, nowMs);
    for (const suspicion of suspicions) if (suspicion.silent.length > 0) this.#decide(suspicion, nowMs);
    if (suspicions.length === 0 && this.#inquired.size > 0) {
      for (const connection of this.#inquired.keys()) connection.inquire(false);
      this.#inquired.clear();
    }
    if (waiting) wheel.arm(this.#timer, lookEveryMs);
  }

  #look(host: RunningHost, nowMs: number): Suspicion | null {
    let sinceMs = Infinity;
    const silent: PooledConnection[] = [];
    host.eachPool(({ connections }) => {
      for (const connection of connections) {
        if (connection.activeStreams === 0) continue;
        const verdict = connection.judge(nowMs, this.#limitMs);
        if (verdict === 'well') continue;
        sinceMs = Math.min(sinceMs, connection.suspectedMs);
        if (verdict === 'silent') silent.push(connection);
      }
    });
    return sinceMs === Infinity ? null : { host, sinceMs, silent };
  }

  /** Asks whoever can say whether it is the connection, the host, or our own network. */
  #inquire(suspicions: readonly Suspicion[], nowMs: number): void {
    for (const { host, sinceMs } of suspicions)
      for (const connection of readyConnections(host))
        if (connection.acknowledgedAtMs(nowMs) <= sinceMs) this.#ask(connection, nowMs);
    const latestMs = Math.max(...suspicions.map(({ sinceMs }) => sinceMs));
    const known = Array.from(this.#context.watchedHosts(), (host) => this.#heard(host, latestMs, nowMs));
    for (const { host, sinceMs } of suspicions) {
      let silent = 1;
      let living = 0;
      for (const other of known) {
        if (other.host === host) continue;
        if (other.heardMs > sinceMs) living++;
        else if (other.host.activeRequests > 0) silent++;
      }
      // Answers take their time.
      if (silent > 1 && silent > living && nowMs - sinceMs >= probeTimeMs) this.#ownNetworkMs = nowMs;
    }
  }

  /** When the host acknowledged something, on any connection; the first that is behind `sinceMs` will do. Where none is, it is asked, if requests wait for it. */
  #heard(host: RunningHost, sinceMs: number, nowMs: number): { readonly host: RunningHost; readonly heardMs: number } {
    const connections = readyConnections(host);
    let heardMs = -Infinity;
    for (const connection of connections) {
      heardMs = Math.max(heardMs, connection.acknowledgedAtMs(nowMs));
      if (heardMs > sinceMs) return { host, heardMs };
    }
    const waiting = connections.find(({ activeStreams }) => activeStreams > 0);
    if (waiting !== undefined) this.#ask(waiting, nowMs);
    return { host, heardMs };
  }

  #ask(connection: PooledConnection, nowMs: number): void {
    if (this.#inquired.has(connection)) return;
    this.#inquired.set(connection, nowMs);
    connection.inquire(true);
  }

  #decide({ host, sinceMs, silent }: Suspicion, nowMs: number): void {
    const patienceMs = patientLimits * this.#limitMs;
    const awayMs = this.#ownNetworkMs - sinceMs;
    if (awayMs > 0) {
      // Once the network is back, kernels send again after as much time as they have waited before.
      if (nowMs - sinceMs < patienceMs && nowMs - this.#ownNetworkMs < awayMs + this.#limitMs) return;
      if (this.#ownNetworkMs === nowMs) {
        end(silent, hostGone(patienceMs));
        return;
      }
    }
    const error = hostGone(this.#limitMs);
    const all = readyConnections(host);
    const others = all.filter((connection) => !silent.includes(connection));
    if (others.some((connection) => connection.acknowledgedAtMs(nowMs) > sinceMs)) {
      end(silent, error);
      return;
    }
    if (others.some((connection) => this.#mayAnswer(connection, nowMs))) return;
    this.#context.onHostGone(host, error);
    end(all, error);
  }

  /** It was asked, or is about to be, and its answer may be under way. */
  #mayAnswer(connection: PooledConnection, nowMs: number): boolean {
    const askedMs = this.#inquired.get(connection) ?? nowMs;
    const probedMs = Math.max(askedMs, connection.acknowledgedAtMs(nowMs) + probeAfterMs);
    return nowMs - probedMs < probeTimeMs;
  }
}

function readyConnections(host: RunningHost): PooledConnection[] {
  const all: PooledConnection[] = [];
  host.eachPool(({ connections }) => {
    for (const connection of connections) if (connection.ready) all.push(connection);
  });
  return all;
}

function end(connections: readonly PooledConnection[], error: ProxyError): void {
  for (const connection of connections) connection.destroy(error);
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
