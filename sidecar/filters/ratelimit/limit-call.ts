/** One question to a rate limit service under way: answered, late, or not wanted any more, whichever comes first. Nothing waits longer than the timeout. */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { RateLimitConfig } from '../../config/rate-limit-config.ts';
import { GrpcCall } from '../../grpc/grpc-call.ts';
import { formatGrpcTimeout } from '../../router/request-timeout.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { GateAnswer, GateVerdict, GateWait } from '../request-gate.ts';
import type { Descriptor } from './request-descriptors.ts';
import { decodeResponse, encodeRequest, type LimitVerdict } from './rls-message.ts';

const mostAnswerBytes = 256 * 1024;

export interface LimitCallContext {
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

export class LimitCall implements GateWait, TimerTarget {
  readonly #config: RateLimitConfig;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  readonly #verdict: (answer: LimitVerdict) => GateVerdict;
  readonly #decide: (verdict: GateVerdict) => void;
  #call: GrpcCall | null = null;
  #over = false;
  /** While the question is put, an answer is not told by `decide`. */
  #asking = true;
  #atOnce: LimitVerdict | null = null;

  constructor(
    config: RateLimitConfig,
    wheel: TimerWheel,
    verdict: (answer: LimitVerdict) => GateVerdict,
    decide: (verdict: GateVerdict) => void,
  ) {
    this.#config = config;
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
    this.#verdict = verdict;
    this.#decide = decide;
  }

  ask(domain: string, descriptors: readonly Descriptor[], { clusters, clock }: LimitCallContext): GateAnswer {
    const { service, timeoutMs } = this.#config;
    const cluster = clusters.cluster(service.cluster);
    if (cluster === undefined) return this.#verdict({ kind: 'error', why: 'there is no such cluster' });
    let answer: Buffer | null = null;
    const call = new GrpcCall(
      {
        cluster,
        path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
        authority: service.authority,
        metadata: [...service.initialMetadata, ['grpc-timeout', formatGrpcTimeout(timeoutMs)]],
        maxMessageBytes: mostAnswerBytes,
        clock,
      },
      {
        onMessage: (received) => {
          answer ??= received;
        },
        onEnd: ({ code, message: why }) => {
          if (code !== 0) this.#onAnswer({ kind: 'error', why: `gRPC status ${code}${why === '' ? '' : `: ${why}`}` });
          else if (answer === null) this.#onAnswer({ kind: 'error', why: 'it gave no answer' });
          else this.#onAnswer(decodeResponse(answer));
        },
      },
    );
    this.#call = call;
    call.send(encodeRequest(domain, descriptors));
    call.halfClose();
    call.start();
    this.#asking = false;
    if (this.#atOnce !== null) return this.#verdict(this.#atOnce);
    this.#wheel.arm(this.#timer, timeoutMs);
    return this;
  }

  #onAnswer(answer: LimitVerdict): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#asking) {
      this.#atOnce = answer;
      return;
    }
    this.#wheel.disarm(this.#timer);
    this.#decide(this.#verdict(answer));
  }

  onTimer(): void {
    if (this.#over) return;
    this.#over = true;
    this.#call!.cancel();
    this.#decide(this.#verdict({ kind: 'error', why: `it did not answer within ${this.#config.timeoutMs} ms` }));
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#wheel.disarm(this.#timer);
    this.#call!.cancel();
  }
}
