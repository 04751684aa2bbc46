/** A gentle, steady stream of requests while a test changes things, so that "traffic goes on" is something that was seen. */
import { ask, instanceOf, type Question } from './exchange.ts';

export interface LoadSummary {
  readonly requests: number;
  /** What went wrong, one line each. */
  readonly failures: readonly string[];
  /** How many answers each backend gave. */
  readonly instances: ReadonlyMap<string, number>;
}

class SteadyLoad {
  readonly #port: number;
  readonly #question: Question;
  readonly #workers: Promise<void>[];
  #stopped = false;
  #requests = 0;
  readonly #failures: string[] = [];
  readonly #instances = new Map<string, number>();

  constructor(port: number, question: Question, workers = 2) {
    this.#port = port;
    this.#question = question;
    this.#workers = Array.from({ length: workers }, () => this.#work());
  }

  async stop(): Promise<LoadSummary> {
    this.#stopped = true;
    await Promise.all(this.#workers);
    return { requests: this.#requests, failures: this.#failures, instances: this.#instances };
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      this.#requests++;
      try {
        const answer = await ask(this.#port, this.#question);
        if (answer.status !== 200) this.#failures.push(`${answer.status}: ${answer.body.slice(0, 200)}`);
        const instance = instanceOf(answer);
        this.#instances.set(instance, (this.#instances.get(instance) ?? 0) + 1);
      } catch (error) {
        this.#failures.push((error as Error).message);
      }
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
  }
}

/** Runs `work` under the load; the load ends with it, also when it fails. */
export async function underSteadyLoad(
  port: number,
  question: Question,
  work: () => Promise<void>,
): Promise<LoadSummary> {
  const load = new SteadyLoad(port, question);
  try {
    await work();
  } finally {
    await load.stop();
  }
  return load.stop();
}
