/** Envoy's adaptive concurrency filter as a gate: refuses requests beyond what the service answers without its latency growing. All requests of a connection manager count together, and those of others of its listener with the same configuration. */
import { HeaderFields } from '../../codec/header-fields.ts';
import { overloadMark } from '../../codec/overload-mark.ts';
import { ProxyError } from '../../codec/proxy-error.ts';
import type { AdaptiveConcurrencyConfig, SheddingPriorityConfig } from '../../config/adaptive-concurrency-config.ts';
import type { HttpContext } from '../../connection-manager/http-context.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Counter, Gauge } from '../../stats/stat-store.ts';
import type { EndWatcher, GateRequest, GateVerdict, RequestGate } from '../request-gate.ts';
import { GradientController } from './gradient-controller.ts';

type Priority = SheddingPriorityConfig['priority'];

/** Of the limit. */
const shares: Readonly<Record<Priority, number>> = { critical: 1.25, default: 1, sheddable: 0.75 };
const shedFamily = 'outrigger_requests_shed_total';

export class AdaptiveConcurrencyGate implements RequestGate, EndWatcher {
  readonly name: string;
  readonly answersAtOnce = true;
  readonly keepsRequests = true;
  readonly #enabled: boolean;
  readonly #clock: Clock;
  readonly #controller: GradientController;
  readonly #refusal: ProxyError;
  readonly #blocked: Counter;
  /** Ours. */
  readonly #shed: Readonly<Record<Priority, Counter>>;
  readonly #gauges: ControllerGauges;

  constructor(config: AdaptiveConcurrencyConfig, managerPrefix: string, { clock, random, stats }: HttpContext) {
    const prefix = `http.${managerPrefix}.adaptive_concurrency.gradient_controller`;
    const gauge = (name: string): Gauge => stats.gauge(`${prefix}.${name}`);
    this.name = config.filterName;
    this.#enabled = config.enabled;
    this.#clock = clock;
    this.#controller = new GradientController(config.gradient, clock.nowMs(), random);
    this.#refusal = new ProxyError({
      flag: '',
      source: 'local',
      details: 'reached_concurrency_limit',
      message: 'The service answers as many requests at once as it can without slowing down.',
      status: config.exceededStatus,
      // Envoy says neither. No flag means no mark by itself; when there is room again nobody can tell.
      reply: { fields: HeaderFields.of([overloadMark.lower, 'true'], ['retry-after', '1']) },
    });
    this.#blocked = stats.counter(`${prefix}.rq_blocked`);
    const shed = (priority: Priority): Counter => stats.counter(shedFamily, shedFamily, { priority });
    this.#shed = { critical: shed('critical'), default: shed('default'), sheddable: shed('sheddable') };
    this.#gauges = {
      limit: gauge('concurrency_limit'),
      gradient: gauge('gradient'),
      burstQueueSize: gauge('burst_queue_size'),
      minRtt: gauge('min_rtt_msecs'),
      sampleRtt: gauge('sample_rtt_msecs'),
      measuring: gauge('min_rtt_calculation_active'),
    };
    this.#show();
  }

  check(request: GateRequest): GateVerdict {
    if (!this.#enabled) return null;
    const nowMs = request.nowMs < 0 ? this.#clock.nowMs() : request.nowMs;
    const controller = this.#controller;
    const said = request.route?.config.gates?.get(this.name);
    const priority = said?.kind === 'shedding-priority' ? said.priority : request.priority;
    if (!controller.begin(nowMs, shares[priority])) {
      this.#blocked.value++;
      this.#shed[priority].value++;
      return this.#refusal;
    }
    request.watchEnd(this, nowMs);
    return null;
  }

  /** Whether a request of that priority would be let in. */
  hasRoom(priority: Priority, nowMs: number): boolean {
    return !this.#enabled || this.#controller.hasRoom(nowMs, shares[priority]);
  }

  /**
   * What this proxy answered itself says nothing of the service's latency, but for a timeout, without which a service that hangs would seem quick (Envoy counts all of its own answers).
   */
  onRequestOver(nowMs: number, status: number, complete: boolean, _grpcStatus: string, sinceMs: number): void {
    if (complete || status === 504) this.#controller.end(sinceMs, nowMs);
    else this.#controller.cancel();
    this.#show();
  }

  #show(): void {
    const controller = this.#controller;
    const gauges = this.#gauges;
    gauges.limit.value = controller.limit;
    // Envoy: times a thousand, so that its decimals are seen.
    gauges.gradient.value = Math.floor(controller.gradient * 1000);
    gauges.burstQueueSize.value = Math.floor(controller.burstHeadroom);
    gauges.minRtt.value = Math.floor(controller.minRttMs);
    gauges.sampleRtt.value = Math.floor(controller.sampleRttMs);
    gauges.measuring.value = controller.measuring ? 1 : 0;
  }
}

interface ControllerGauges {
  readonly limit: Gauge;
  readonly gradient: Gauge;
  readonly burstQueueSize: Gauge;
  readonly minRtt: Gauge;
  readonly sampleRtt: Gauge;
  readonly measuring: Gauge;
}
