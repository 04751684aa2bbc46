/**
 * Envoy's admission control filter as a gate: the more of the last requests failed, the more likely the next is refused, so that a service that fails gets less load, and some by which its recovery
 * is seen. Refusals do not count as failures.
 */
import { ProxyError } from '../../codec/proxy-error.ts';
import type { AdmissionControlConfig } from '../../config/admission-control-config.ts';
import type { HttpContext } from '../../connection-manager/http-context.ts';
import type { Clock, Random } from '../../runtime/clock.ts';
import type { Counter } from '../../stats/stat-store.ts';
import type { EndWatcher, GateRequest, GateVerdict, RequestGate } from '../request-gate.ts';
import { SuccessWindow } from './success-window.ts';

const refusal = new ProxyError({
  flag: '',
  source: 'local',
  details: 'denied_by_admission_control',
  message: 'Too many of the last requests failed; this one was refused by chance, to give the service less to do.',
  status: 503,
});

export class AdmissionControlGate implements RequestGate, EndWatcher {
  readonly name: string;
  readonly answersAtOnce = true;
  readonly keepsRequests = true;
  readonly #config: AdmissionControlConfig;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #window: SuccessWindow;
  readonly #grpcSuccess: ReadonlySet<string>;
  readonly #rejected: Counter;
  readonly #succeeded: Counter;
  readonly #failed: Counter;

  constructor(config: AdmissionControlConfig, managerPrefix: string, { clock, random, stats }: HttpContext) {
    const counter = (name: string): Counter => stats.counter(`http.${managerPrefix}.admission_control.${name}`);
    this.name = config.filterName;
    this.#config = config;
    this.#clock = clock;
    this.#random = random;
    this.#window = new SuccessWindow(config.windowMs);
    this.#grpcSuccess = new Set(config.grpcSuccess.map(String));
    this.#rejected = counter('rq_rejected');
    this.#succeeded = counter('rq_success');
    this.#failed = counter('rq_failure');
  }

  check(request: GateRequest): GateVerdict {
    if (!this.#config.enabled) return null;
    if (this.#rejects()) {
      this.#rejected.value++;
      return refusal;
    }
    request.watchEnd(this);
    return null;
  }

  #rejects(): boolean {
    const window = this.#window;
    const nowMs = this.#clock.nowMs();
    window.forget(nowMs);
    const { requestsPerSecondThreshold, successThreshold, aggression, maxRejection } = this.#config;
    if (window.requests === 0 || window.requestsPerSecond(nowMs) < requestsPerSecondThreshold) return false;
    const share = (window.requests - window.successes / successThreshold) / (window.requests + 1);
    if (share <= 0) return false;
    return this.#random() < Math.min(maxRejection, aggression === 1 ? share : share ** (1 / aggression));
  }

  /** A caller that left before there was an answer says nothing of the service. */
  onRequestOver(nowMs: number, status: number, _complete: boolean, grpcStatus: string): void {
    if (status === 0) return;
    const success =
      grpcStatus === ''
        ? this.#config.httpSuccess.some(({ start, end }) => status >= start && status < end)
        : this.#grpcSuccess.has(grpcStatus);
    (success ? this.#succeeded : this.#failed).value++;
    this.#window.record(nowMs, success);
  }
}
