/**
 * One instance of a service: works on so many requests at a time, lets others wait, takes its time, asks other services, fails as the script says. The application, not the sidecar beside it.
 *
 *   arrives ─▶ queue ─▶ own work ─▶ calls, one after the other ─▶ answer
 *      └─ full: 503        └─ the script: a status ───────────────▶┘
 */
import type { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import type { Random } from '../../sidecar/runtime/clock.ts';
import { changedLatency, combineEffects, type Effects, type FailureSpec, noEffects } from './failure-effects.ts';
import { drawLatency } from './latency.ts';
import type { OutboundCalls } from './outbound-sidecar.ts';
import type { SimulatedConnection } from './simulated-connection.ts';
import type { CallSpec, ServiceSpec } from './simulation.ts';
import type { Due, VirtualTime } from './virtual-time.ts';

/** A request at the door of an application, and the way back. */
export interface Exchange {
  /** The caller gave it up, or is gone. */
  readonly over: boolean;
  /** Called when the caller gives it up; null: nobody has to know. Set by who has it. */
  onGivenUp: (() => void) | null;
  /** `fields`: of the answer; absent: none. */
  answer(status: number, fields?: HeaderFields): void;
}

/** What was met at the instances of a service, all together. */
export interface ServiceCounts {
  /** Requests that came, those that were retries too. */
  received: number;
  /** Answered below 500. */
  succeeded: number;
  /** Answered by the sidecar before the application: limits, adaptive concurrency, faults. */
  refused: number;
  /** Answered 503 because the queue was full. */
  turnedAway: number;
  /** Worked on, though the caller had given it up. */
  inVain: number;
}

/** A sidecar before the application; see inbound-sidecar.ts. */
export interface InboundDoor {
  take(exchange: Exchange, request: ArrivingRequest): void;
}

/** What a sidecar before the application needs to know of a request. */
export interface ArrivingRequest {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly fields: ReadonlyArray<readonly [string, string]>;
}

export interface EndpointContext {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly counts: ServiceCounts;
  /** Null: it calls nobody. */
  readonly calls: OutboundCalls | null;
}

/** Of a check of the host's health: what an application answers without work. */
const healthCheckMs = 1;

export class SimulatedEndpoint {
  /** `payments-7`. */
  readonly name: string;
  /** IP address. */
  readonly host: string;
  readonly spec: ServiceSpec;
  readonly context: EndpointContext;
  /** Those that lead to it. */
  readonly connections = new Set<SimulatedConnection>();
  /** Null: no policy asks for more than what callers' sidecars do. */
  door: InboundDoor | null = null;
  effects: Effects = noEffects;
  readonly #active: FailureSpec[] = [];
  readonly #queue: Work[] = [];
  #queueFrom = 0;
  #serving = 0;
  /** Counts its lives: what was begun in one before is gone. */
  life = 0;

  constructor(name: string, host: string, spec: ServiceSpec, context: EndpointContext) {
    this.name = name;
    this.host = host;
    this.spec = spec;
    this.context = context;
  }

  get serving(): number {
    return this.#serving;
  }

  get waiting(): number {
    return this.#queue.length - this.#queueFrom;
  }

  begin(failure: FailureSpec): void {
    this.#active.push(failure);
    this.#update();
  }

  end(failure: FailureSpec): void {
    this.#active.splice(this.#active.indexOf(failure), 1);
    this.#update();
  }

  #update(): void {
    const before = this.effects;
    this.effects = combineEffects(this.#active);
    if (this.effects.refuses && !before.refuses) this.#crash();
    this.#startWaiting();
  }

  #crash(): void {
    this.life++;
    this.#queue.length = 0;
    this.#queueFrom = 0;
    this.#serving = 0;
    for (const connection of [...this.connections]) connection.cut();
  }

  /** By the network. `request`: what a sidecar before the application looks at. */
  arrive(exchange: Exchange, request: ArrivingRequest): void {
    this.context.counts.received++;
    if (this.door === null) this.serve(exchange);
    else this.door.take(exchange, request);
  }

  /** The application gets it. */
  serve(exchange: Exchange): void {
    const work = new Work(this, exchange);
    if (this.#serving < this.#most) this.#start(work);
    else if (this.waiting < this.spec.queue) this.#queue.push(work);
    else {
      this.context.counts.turnedAway++;
      exchange.answer(503);
    }
  }

  /** A check of its health, which waits for nobody. */
  check(exchange: Exchange): void {
    const { time, random } = this.context;
    const { failShare, status, latency } = this.effects;
    time.after(changedLatency(healthCheckMs, latency), {
      onDue: () => exchange.answer(failShare > 0 && random() < failShare ? status : 200),
    });
  }

  get #most(): number {
    const { concurrency } = this.spec;
    return Math.max(1, Math.floor(concurrency * this.effects.capacityShare));
  }

  #start(work: Work): void {
    this.#serving++;
    work.start();
  }

  /** The work is over, and was answered. */
  finished(): void {
    this.#serving--;
    this.#startWaiting();
  }

  #startWaiting(): void {
    const queue = this.#queue;
    while (this.waiting > 0 && this.#serving < this.#most) {
      const work = queue[this.#queueFrom++]!;
      if (this.#queueFrom > 64 && this.#queueFrom * 2 > queue.length) {
        queue.splice(0, this.#queueFrom);
        this.#queueFrom = 0;
      }
      if (work.stopped) continue;
      this.#start(work);
    }
  }
}

/** One request in the application. */
class Work implements Due {
  readonly #endpoint: SimulatedEndpoint;
  readonly #exchange: Exchange;
  readonly #life: number;
  #next = 0;
  #times = 0;

  constructor(endpoint: SimulatedEndpoint, exchange: Exchange) {
    this.#endpoint = endpoint;
    this.#exchange = exchange;
    this.#life = endpoint.life;
  }

  /** Nobody waits for it, and the service heeds that. */
  get stopped(): boolean {
    return this.#exchange.over && this.#endpoint.spec.cancelled === 'stop';
  }

  start(): void {
    const { spec, effects, context } = this.#endpoint;
    context.time.after(changedLatency(drawLatency(spec.latency, context.random), effects.latency), this);
  }

  onDue(): void {
    if (this.#gone) return;
    const { effects, context } = this.#endpoint;
    if (effects.failShare > 0 && context.random() < effects.failShare) this.#finish(effects.status);
    else this.#callNext();
  }

  /** The process that it was in has ended. */
  get #gone(): boolean {
    return this.#life !== this.#endpoint.life;
  }

  #callNext(): void {
    const { spec, context } = this.#endpoint;
    while (this.#next < spec.calls.length) {
      const call = spec.calls[this.#next]!;
      if (this.stopped) break;
      if (this.#times >= call.times || (this.#times === 0 && !this.#needs(call))) {
        this.#next++;
        this.#times = 0;
        continue;
      }
      this.#times++;
      context.calls!.call(this.#next, this);
      return;
    }
    this.#finish(200);
  }

  #needs({ share }: CallSpec): boolean {
    return share >= 1 || this.#endpoint.context.random() < share;
  }

  onCallEnded(status: number): void {
    if (this.#gone) return;
    if (status >= 500 && !this.#endpoint.spec.calls[this.#next]!.optional) this.#finish(503);
    else this.#callNext();
  }

  #finish(status: number): void {
    const { counts } = this.#endpoint.context;
    if (this.#exchange.over) counts.inVain++;
    else if (status < 500) counts.succeeded++;
    this.#exchange.answer(status);
    this.#endpoint.finished();
  }
}
