/**
 * Envoy's HTTP fault filter as a gate: holds a request up, then fails it, or has its answer sent slowly, for a share of requests. A request that is held up waits on the timer wheel and holds
 * nothing but itself; whoever gives it up frees its place among the active faults.
 */
import { ProxyError } from '../../codec/proxy-error.ts';
import type { FaultConfig } from '../../config/fault-config.ts';
import type { HttpContext } from '../../connection-manager/http-context.ts';
import type { RouteEntry } from '../../router/route-entry.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { Counter, Gauge } from '../../stats/stat-store.ts';
import type { EndWatcher, GateAnswer, GateRequest, GateVerdict, GateWait, RequestGate } from '../request-gate.ts';
import { type Abort, FaultSettings } from './fault-settings.ts';
import { ResponseThrottle } from './response-throttle.ts';

/** Where `filter_metadata` is put. */
const metadataNamespace = 'envoy.filters.http.fault';

export class FaultGate implements RequestGate, EndWatcher {
  readonly name: string;
  /** As it asks for `decider` where it delays, which is rare. */
  readonly answersAtOnce = true;
  readonly keepsRequests = true;
  readonly #context: HttpContext;
  readonly #own: FaultSettings;
  readonly #ofRoutes = new WeakMap<FaultConfig, FaultSettings>();
  readonly #delays: Counter;
  readonly #aborts: Counter;
  readonly #throttled: Counter;
  readonly #overflow: Counter;
  readonly #active: Gauge;

  constructor(config: FaultConfig, managerPrefix: string, context: HttpContext) {
    const prefix = `http.${managerPrefix}.fault`;
    const { stats } = context;
    this.name = config.filterName;
    this.#context = context;
    this.#own = new FaultSettings(config);
    this.#delays = stats.counter(`${prefix}.delays_injected`);
    this.#aborts = stats.counter(`${prefix}.aborts_injected`);
    this.#throttled = stats.counter(`${prefix}.response_rl_injected`);
    this.#overflow = stats.counter(`${prefix}.faults_overflow`);
    this.#active = stats.gauge(`${prefix}.active_faults`);
  }

  check(request: GateRequest): GateAnswer {
    const settings = this.#settingsFor(request.route);
    if (!settings.isFor(request)) return null;
    const { random, wheel } = this.#context;
    const { head } = request;
    let active = false;
    const kibPerSecond = settings.kibPerSecond(head, random);
    if (kibPerSecond > 0 && this.#begin(settings, request)) {
      active = true;
      this.#throttled.value++;
      name(request, settings);
      const { clock } = this.#context;
      request.shapeResponse((stream) => new ResponseThrottle(stream, kibPerSecond, clock, wheel));
    }
    const delayMs = settings.delayMs(head, random);
    if (delayMs > 0 && (active || this.#begin(settings, request))) {
      this.#delays.value++;
      request.delayed = true;
      name(request, settings);
      takeMetadata(request, settings.config);
      const decide = request.decider();
      return new Delay(wheel, delayMs, () => decide(this.#afterDelay(settings, request)));
    }
    const abort = settings.abort(head, random);
    if (abort === null || !(active || this.#begin(settings, request))) return null;
    takeMetadata(request, settings.config);
    return this.#fail(abort, settings);
  }

  /** A delayed request may be failed too; it counts as one active fault. */
  #afterDelay(settings: FaultSettings, request: GateRequest): GateVerdict {
    const abort = settings.abort(request.head, this.#context.random);
    return abort === null ? null : this.#fail(abort, settings);
  }

  #fail({ httpStatus, grpcStatus }: Abort, { policy }: FaultSettings): ProxyError {
    this.#aborts.value++;
    return new ProxyError({
      flag: 'FI',
      source: 'local',
      details: 'fault_filter_abort',
      message: 'The request was failed on purpose, by a fault rule.',
      rule: policy,
      status: httpStatus,
      reply: grpcStatus === null ? null : { grpcStatus },
    });
  }

  /** Takes a place among the active faults, until the request is over. */
  #begin({ config }: FaultSettings, request: GateRequest): boolean {
    if (this.#active.value >= config.maxActiveFaults) {
      this.#overflow.value++;
      return false;
    }
    this.#active.value++;
    request.watchEnd(this);
    return true;
  }

  onRequestOver(): void {
    this.#active.value--;
  }

  #settingsFor(route: RouteEntry | null): FaultSettings {
    const config = route?.config.gates?.get(this.name);
    if (config?.kind !== 'fault') return this.#own;
    let settings = this.#ofRoutes.get(config);
    if (settings === undefined) this.#ofRoutes.set(config, (settings = new FaultSettings(config)));
    return settings;
  }
}

/** For the log of a request that is not failed: what makes it slow counts for more than who let it pass. */
function name(request: GateRequest, { policy }: FaultSettings): void {
  if (policy !== '') request.policy = policy;
}

function takeMetadata(request: GateRequest, { metadata }: FaultConfig): void {
  if (metadata !== null) (request.metadata ??= new Map()).set(metadataNamespace, metadata);
}

class Delay implements GateWait, TimerTarget {
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  readonly #done: () => void;

  constructor(wheel: TimerWheel, delayMs: number, done: () => void) {
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
    this.#done = done;
    wheel.arm(this.#timer, delayMs);
  }

  onTimer(): void {
    this.#done();
  }

  cancel(): void {
    this.#wheel.disarm(this.#timer);
  }
}
