/** One question of a gate to a service under way: answered, late, or not wanted any more, whichever comes first. Knows neither the call nor what answers mean. */
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { GateAnswer, GateVerdict, GateWait } from './request-gate.ts';

export interface ServiceQuestionInit<Answer> {
  readonly wheel: TimerWheel;
  readonly verdict: (answer: Answer) => GateVerdict;
  /** The gate's own `decide`. */
  readonly decide: (verdict: GateVerdict) => void;
  /** Until there is an answer; 0: no limit. */
  readonly timeoutMs: number;
  /** What stands for the answer that did not come in time. */
  readonly late: Answer;
}

export class ServiceQuestion<Answer> implements GateWait, TimerTarget {
  readonly #init: ServiceQuestionInit<Answer>;
  readonly #timer: WheelTimer;
  #call: { cancel(): void } | null = null;
  #over = false;
  /** While the question is put, an answer is not told by `decide`. */
  #asking = true;
  #atOnce: Answer | null = null;

  constructor(init: ServiceQuestionInit<Answer>) {
    this.#init = init;
    this.#timer = new WheelTimer(this);
  }

  /** `begin` puts the question; it may be answered from inside. Gives the verdict of an answer that came at once. */
  ask(begin: (answered: (answer: Answer) => void) => { cancel(): void }): GateAnswer {
    const { wheel, verdict, timeoutMs } = this.#init;
    this.#call = begin((answer) => this.#onAnswer(answer));
    this.#asking = false;
    if (this.#atOnce !== null) return verdict(this.#atOnce);
    if (timeoutMs > 0) wheel.arm(this.#timer, timeoutMs);
    return this;
  }

  #onAnswer(answer: Answer): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#asking) {
      this.#atOnce = answer;
      return;
    }
    const { wheel, verdict, decide } = this.#init;
    wheel.disarm(this.#timer);
    decide(verdict(answer));
  }

  onTimer(): void {
    if (this.#over) return;
    this.#over = true;
    this.#call!.cancel();
    const { verdict, decide, late } = this.#init;
    decide(verdict(late));
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#init.wheel.disarm(this.#timer);
    this.#call!.cancel();
  }
}
