/**
 * One request that failed on a route that has a fallback: says what it gets instead (another service, then the last good answer, then a fixed one, each once at most). Made with the first failure. Sends nothing; see ../router.ts.
 */
import type { RequestHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import type { FixedAnswerConfig } from '../../config/route-resilience-config.ts';
import type { RouteMemory } from '../route-memory.ts';
import type { WeightedTarget } from '../weighted-target.ts';
import type { FallbackRule } from './fallback-rule.ts';
import type { StaleAnswer } from './stale-answers.ts';

/** What is done instead of telling the failure. */
export type Instead =
  | { readonly kind: 'service'; readonly target: WeightedTarget }
  | { readonly kind: 'stale'; readonly answer: StaleAnswer }
  | { readonly kind: 'answer'; readonly answer: FixedAnswerConfig };

/** An answer that is there already. */
export type ReadyAnswer = Exclude<Instead, { readonly kind: 'service' }>;

/** What was taken, for log and figures. */
export interface TakenFallback {
  readonly kind: Instead['kind'];
  readonly policy: string;
  /** Of the failure; '' where it was an answer. */
  readonly flag: string;
  /** Of the failure: response code details, or `via_upstream{503}`. */
  readonly details: string;
}

export interface FailedRequest {
  readonly grpc: boolean;
  /** All of it is here or comes yet, and there is time to send it somewhere else. */
  readonly canBeSentAgain: boolean;
  /** The service may have acted on it. */
  readonly mayHaveRun: boolean;
}

export class RequestFallback {
  readonly rule: FallbackRule;
  readonly #memory: RouteMemory;
  /** '': it has no part in answers of others. */
  readonly #sharedKey: string;
  readonly #head: RequestHead;
  /** How it failed first; null: not yet, or by an answer. */
  first: ProxyError | null = null;
  /** The cluster that failed first; null: none yet. */
  cluster: string | null = null;
  #serviceTried = false;
  #staleTried = false;
  #answerTried = false;

  /** `head` as it goes to the service. */
  constructor(rule: FallbackRule, memory: RouteMemory, sharedKey: string, head: RequestHead) {
    this.rule = rule;
    this.#memory = memory;
    this.#sharedKey = sharedKey;
    this.#head = head;
  }

  /** The other service was asked. */
  get serviceTried(): boolean {
    return this.#serviceTried;
  }

  /** It has failed. Null: there is nothing instead, or nothing more. */
  next(request: FailedRequest, nowMs: number): Instead | null {
    return this.#service(request) ?? this.#stale(nowMs) ?? this.#answer(request);
  }

  #service({ canBeSentAgain, mayHaveRun }: FailedRequest): Instead | null {
    const { service } = this.rule;
    if (service === null || this.#serviceTried || !canBeSentAgain) return null;
    if (mayHaveRun && !this.rule.mayRunTwice(this.#head)) return null;
    this.#serviceTried = true;
    return { kind: 'service', target: service };
  }

  #stale(nowMs: number): Instead | null {
    const { stale } = this.rule;
    const head = this.#head;
    if (stale === null || this.#staleTried) return null;
    this.#staleTried = true;
    if (this.#sharedKey === '') return null;
    const answer = this.#memory.staleAnswers.find(this.#sharedKey, head.fields, stale.maxAgeMs, nowMs);
    return answer === null ? null : { kind: 'stale', answer };
  }

  #answer({ grpc }: FailedRequest): Instead | null {
    const { answer } = this.rule;
    if (answer === null || this.#answerTried || (!grpc && answer.status === 0)) return null;
    this.#answerTried = true;
    return { kind: 'answer', answer };
  }
}
