/** A route's fallback (`outrigger.resilience.v1.Fallback`), compiled: which answers are failures, and what there is instead. Decides nothing by itself; see request-fallback.ts. */
import type { RequestHead, ResponseHead } from '../../codec/message-head.ts';
import { noHeaderMutations } from '../../config/route-config.ts';
import type { FallbackConfig, FixedAnswerConfig, StaleAnswerConfig } from '../../config/route-resilience-config.ts';
import { WeightedTarget } from '../weighted-target.ts';

export class FallbackRule {
  readonly policy: string;
  readonly service: WeightedTarget | null;
  /** Milliseconds; 0: none; null: what the route has. */
  readonly serviceTimeoutMs: number | null;
  readonly stale: StaleAnswerConfig | null;
  readonly answer: FixedAnswerConfig | null;
  readonly #methods: ReadonlySet<string>;
  readonly #statusCodes: ReadonlySet<number>;

  constructor({ policy, service, stale, answer, methods, statusCodes }: FallbackConfig) {
    this.policy = policy;
    this.service =
      service === null
        ? null
        : new WeightedTarget({
            name: service.cluster,
            weight: 1,
            requestHeaders: noHeaderMutations,
            responseHeaders: noHeaderMutations,
          });
    this.serviceTimeoutMs = service === null ? null : service.timeoutMs;
    this.stale = stale;
    this.answer = answer;
    this.#methods = new Set(methods);
    this.#statusCodes = new Set(statusCodes);
  }

  /** Another service may be asked although this one may have acted on the request. */
  mayRunTwice({ method }: RequestHead): boolean {
    return this.#methods.has(method);
  }

  /** `whole`: the head is all of the answer. A gRPC call that ends UNAVAILABLE met a gateway's failure too. */
  isFailure({ status, fields }: ResponseHead, whole: boolean, grpc: boolean): boolean {
    return this.#statusCodes.has(status) || (grpc && whole && fields.get('grpc-status') === '14');
  }
}
