/** The demo's gentle load: purchases at a fixed rate, like shoppers that do not wait for each other. */
import { Agent, request } from 'node:http';

export class Load {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  readonly #port: number;
  #timer: NodeJS.Timeout | null = null;
  #orders = 0;
  #underWay = 0;
  answered = 0;
  failed = 0;

  constructor(port: number) {
    this.#port = port;
  }

  start(requestsPerSecond: number): void {
    this.#timer = setInterval(() => this.#buy(), 1000 / requestsPerSecond);
  }

  /** Buys nothing more and waits, for a moment, for what is under way. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (let waited = 0; this.#underWay > 0 && waited < 1_000; waited += 20)
      await new Promise((resolve) => setTimeout(resolve, 20));
    this.#agent.destroy();
  }

  #buy(): void {
    this.#underWay++;
    const call = request(
      { host: '127.0.0.1', port: this.#port, path: `/buy/${++this.#orders}`, agent: this.#agent, timeout: 10_000 },
      (response) => {
        response.resume();
        if (response.statusCode === 200) this.answered++;
        else this.failed++;
      },
    );
    call.on('close', () => this.#underWay--);
    call.on('timeout', () => call.destroy());
    call.on('error', () => {
      if (this.#timer !== null) this.failed++;
    });
    call.end();
  }
}
