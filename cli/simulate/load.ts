/** Who calls from outside: requests at a rate, whatever becomes of them, or clients that wait for their answers. */
import type { Random } from '../../sidecar/runtime/clock.ts';
import { drawExponential } from './latency.ts';
import type { CallOwner, OutboundCalls } from './outbound-sidecar.ts';
import type { LoadSpec, RateStep } from './simulation.ts';
import type { Due, VirtualTime } from './virtual-time.ts';

/** Begins to call, through these sidecars in turn. `which`: the number of the call at them. */
export function startLoad(
  { arrivals }: LoadSpec,
  which: number,
  sidecars: readonly OutboundCalls[],
  time: VirtualTime,
  random: Random,
): void {
  if (arrivals.kind === 'open') {
    new OpenLoad(arrivals.steps, arrivals.even, which, sidecars, time, random).onDue();
    return;
  }
  for (let at = 0; at < arrivals.clients; at++) {
    const client = new Client(which, sidecars[at % sidecars.length]!, arrivals.thinkMs, time);
    // Not all at the same moment.
    time.after(random() * Math.max(10, arrivals.thinkMs), client);
  }
}

class OpenLoad implements Due, CallOwner {
  readonly #steps: readonly RateStep[];
  readonly #even: boolean;
  readonly #which: number;
  readonly #sidecars: readonly OutboundCalls[];
  readonly #time: VirtualTime;
  readonly #random: Random;
  #step = 0;
  #sent = 0;
  #calls = false;

  constructor(
    steps: readonly RateStep[],
    even: boolean,
    which: number,
    sidecars: readonly OutboundCalls[],
    time: VirtualTime,
    random: Random,
  ) {
    this.#steps = steps;
    this.#even = even;
    this.#which = which;
    this.#sidecars = sidecars;
    this.#time = time;
    this.#random = random;
  }

  onDue(): void {
    if (this.#calls) this.#sidecars[this.#sent++ % this.#sidecars.length]!.call(this.#which, this);
    this.#planNext();
  }

  /** The next request, or the next step, where waiting for a request begins anew: at a constant rate a Poisson process has no memory. */
  #planNext(): void {
    const now = this.#time.elapsedMs;
    while (this.#step + 1 < this.#steps.length && this.#steps[this.#step + 1]!.atMs <= now) this.#step++;
    const { perSecond } = this.#steps[this.#step]!;
    const stepEndMs = this.#steps[this.#step + 1]?.atMs ?? Infinity;
    const meanMs = 1000 / perSecond;
    const waitMs = perSecond === 0 ? Infinity : this.#even ? meanMs : drawExponential(meanMs, this.#random);
    this.#calls = now + waitMs < stepEndMs;
    if (this.#calls) this.#time.after(waitMs, this);
    else if (stepEndMs !== Infinity) this.#time.after(stepEndMs - now, this);
  }

  onCallEnded(): void {}
}

class Client implements Due, CallOwner {
  readonly #which: number;
  readonly #sidecar: OutboundCalls;
  readonly #thinkMs: number;
  readonly #time: VirtualTime;

  constructor(which: number, sidecar: OutboundCalls, thinkMs: number, time: VirtualTime) {
    this.#which = which;
    this.#sidecar = sidecar;
    this.#thinkMs = thinkMs;
    this.#time = time;
  }

  onDue(): void {
    this.#sidecar.call(this.#which, this);
  }

  /** An answer that cost no time would be the next request at the same moment, without end: a client takes a millisecond at least. */
  onCallEnded(): void {
    this.#time.after(Math.max(1, this.#thinkMs), this);
  }
}
