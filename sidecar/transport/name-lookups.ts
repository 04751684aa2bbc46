/**
 * Looks names up for connections: one look-up at a time for a name, as each holds a thread of few (getaddrinfo), and a dead name server holds it for half a minute. What was found counts for some seconds, and behind that as long as
 * the name server fails, or takes longer than a connection can wait (Envoy too goes on with the last addresses).
 */
import type { LookupAddress, LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { AddressFamily } from '../config/cluster-config.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';

/** Envoy's default of `dns_refresh_rate`. */
const keepMs = 5_000;
/** So long an answer is waited for where an earlier one is known. */
const patienceMs = 1_000;
/** Names come from the configuration, which may change without end. */
const mostNames = 1_000;
/** Of connections that wait for one name: a few ticks of a large pool, each given up by its time limit. */
const mostWaiting = 1_000;

type Callback = Parameters<LookupFunction>[2];

interface NameLookupContext {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

export class NameLookups {
  readonly #names = new Map<string, NameLookup>();

  /** For node:net. */
  for(family: AddressFamily, context: NameLookupContext): LookupFunction {
    return (name, options, callback) => this.#lookup(name, family, context).ask(options as LookupOptions, callback);
  }

  #lookup(name: string, family: AddressFamily, context: NameLookupContext): NameLookup {
    const key = `${family} ${name}`;
    const found = this.#names.get(key) ?? new NameLookup(name, family, context);
    // The one that was asked for longest ago is the first.
    this.#names.delete(key);
    this.#names.set(key, found);
    if (this.#names.size > mostNames) this.#names.delete(this.#names.keys().next().value!);
    return found;
  }
}

/** Those of this process. */
export const nameLookups = new NameLookups();

class NameLookup implements TimerTarget {
  readonly #name: string;
  readonly #family: AddressFamily;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  /** The last that were found. */
  #addresses: readonly LookupAddress[] = [];
  #askAgainMs = -Infinity;
  #asking = false;
  /** The answer takes too long. */
  #late = false;
  #waiting: { readonly options: LookupOptions; readonly callback: Callback }[] = [];

  constructor(name: string, family: AddressFamily, { clock, wheel }: NameLookupContext) {
    this.#name = name;
    this.#family = family;
    this.#clock = clock;
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
  }

  ask(options: LookupOptions, callback: Callback): void {
    const known = this.#addresses.length > 0;
    if (known && (this.#late || this.#clock.nowMs() < this.#askAgainMs)) {
      const addresses = this.#addresses;
      process.nextTick(() => answer(options, callback, addresses));
      return;
    }
    if (this.#waiting.length >= mostWaiting) {
      process.nextTick(() => callback(nameServerSilent(), '', 0));
      return;
    }
    this.#waiting.push({ options, callback });
    if (known && !this.#timer.armed) this.#wheel.arm(this.#timer, patienceMs);
    if (this.#asking) return;
    this.#asking = true;
    // Its module is loaded when there is a name.
    process
      .getBuiltinModule('node:dns')
      .lookup(this.#name, { ...how[this.#family], hints: options.hints ?? 0, all: true }, (error, addresses) =>
        this.#onAnswer(error, addresses),
      );
  }

  onTimer(): void {
    this.#late = true;
    this.#answerAll(null);
  }

  #onAnswer(error: Error | null, addresses: readonly LookupAddress[] | undefined): void {
    this.#asking = false;
    this.#late = false;
    this.#wheel.disarm(this.#timer);
    if (error === null && addresses !== undefined) this.#addresses = addresses;
    this.#askAgainMs = this.#clock.nowMs() + keepMs;
    this.#answerAll(error);
  }

  #answerAll(error: Error | null): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { options, callback } of waiting) {
      if (this.#addresses.length > 0) answer(options, callback, this.#addresses);
      else callback(error ?? nameServerSilent(), '', 0);
    }
  }
}

const how: Readonly<Record<AddressFamily, LookupOptions>> = {
  ipv4: { family: 4 },
  ipv6: { family: 6 },
  'ipv4-first': { family: 0, order: 'ipv4first' },
  'ipv6-first': { family: 0, order: 'ipv6first' },
  any: { family: 0, order: 'verbatim' },
};

function answer({ all = false }: LookupOptions, callback: Callback, addresses: readonly LookupAddress[]): void {
  if (all) callback(null, [...addresses]);
  else callback(null, addresses[0]!.address, addresses[0]!.family);
}

function nameServerSilent(): NodeJS.ErrnoException {
  return Object.assign(new Error('The name server does not answer.'), { code: 'EAI_AGAIN' });
}
