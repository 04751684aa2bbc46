/**
 * A gate whose code comes when a configuration first asks for it, so that sidecars without such rules pay no memory for it. Requests that come before wait for it; if it
 * cannot be had they are refused, never let pass.
 */
import { ProxyError } from '../codec/proxy-error.ts';
import type { GateAnswer, GateRequest, GateVerdict, GateWait, RequestGate } from './request-gate.ts';

interface Waiting {
  readonly request: GateRequest;
  readonly decide: (verdict: GateVerdict) => void;
  /** Of the gate itself, once it was asked. */
  wait: GateWait | null;
}

export class LazyGate implements RequestGate {
  readonly name: string;
  /** The gate has come, or never will. */
  readonly loaded: Promise<void>;
  #gate: RequestGate | null = null;
  readonly #waiting = new Set<Waiting>();

  constructor(name: string, load: () => Promise<RequestGate>) {
    this.name = name;
    this.loaded = load().then(
      (gate) => this.#open(gate),
      (error: unknown) => this.#open(broken(name, error)),
    );
  }

  /** Null: its code is not there yet. */
  get gate(): RequestGate | null {
    return this.#gate;
  }

  get answersAtOnce(): boolean {
    return this.#gate?.answersAtOnce === true;
  }

  get keepsRequests(): boolean {
    return this.#gate?.keepsRequests === true;
  }

  check(request: GateRequest, decide: (verdict: GateVerdict) => void): GateAnswer {
    if (this.#gate !== null) return this.#gate.check(request, decide);
    const waiting: Waiting = { request, decide, wait: null };
    this.#waiting.add(waiting);
    return {
      cancel: () => {
        this.#waiting.delete(waiting);
        waiting.wait?.cancel();
      },
    };
  }

  #open(gate: RequestGate): void {
    this.#gate = gate;
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      const answer = gate.check(waiting.request, waiting.decide);
      if (answer === null || answer instanceof ProxyError) waiting.decide(answer);
      else waiting.wait = answer;
    }
  }
}

/** Stands in for a gate whose code could not be loaded: a fault of the installation. */
function broken(name: string, error: unknown): RequestGate {
  const refusal = new ProxyError({
    flag: 'UAEX',
    source: 'local',
    details: 'gate_not_loaded',
    message: `${name} could not be loaded: ${(error as Error).message}`,
    status: 500,
  });
  return { name, answersAtOnce: true, check: () => refusal };
}
