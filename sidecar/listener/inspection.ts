/**
 * Waits for the first bytes of a connection, finds out what they are, and has the filter chain chosen by that. What a caller that stays silent gets, and how long it may be silent, the listener's
 * configuration says:
 *
 *   waiting ─ bytes that say enough ─────────────────────────────────────────▶ chosen
 *      │ listener_filters_timeout                                                 ▲
 *      ├─ not continue_on_listener_filters_timeout ─▶ closed                      │
 *      ├─ bytes have come, but not the beginning of TLS ──────────────────────────┤
 *      ├─ TLS has begun, or the chain by default is no TCP proxy ─▶ patience ─ bytes that say enough, or time is over ─┤
 *      └─ racing (race.ts) ─ the upstream speaks or ends: that TCP proxy ─────────┤
 *             │   └ bytes that say enough ────────────────────────────────────────┤
 *             └ no upstream ─▶ grace ─ bytes that say enough, or time is over ────┘
 */
import type { Socket } from 'node:net';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { type ClientHello, FirstBytesReader } from './client-hello.ts';
import type { NeededInspection } from './filter-chain-match.ts';
import { plaintextProtocol } from './http-start.ts';
import type { Race, RaceOwner } from './race.ts';
import type { Arrival, RunningChain } from './running-chain.ts';
import type { RunningListener } from './running-listener.ts';

/** Where there is no upstream, a caller has so long to say something that another chain takes, before it is cut as one that nobody listens to. */
const graceMs = 1_000;

/** Who has begun with TLS, or would be handed to a chain that waits for the caller anyway, has so long more: a busy caller (many handshakes at once) is slower than a listener_filters_timeout, and its TLS must not be taken for plaintext. */
const patienceMs = 10_000;
/** The same where no chain takes who is silent: it is closed then. */
const shortPatienceMs = 1_000;

/** What the first bytes said. */
export interface Seen {
  /** Null: it is not TLS, or nobody looked. */
  readonly hello: ClientHello | null;
  /** Of plaintext; '' : none that is known. */
  readonly protocol: string;
}

export const nothingSeen: Seen = Object.freeze({ hello: null, protocol: '' });

export class Inspection implements TimerTarget, RaceOwner {
  readonly #listener: RunningListener;
  readonly #socket: Socket;
  #arrival: Arrival | null;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  readonly #tls: FirstBytesReader | null;
  readonly #looksAtHttp: boolean;
  #notTls: boolean;
  readonly #read: Buffer[] = [];
  #race: Race | null = null;
  #raceChain: RunningChain | null = null;
  #raceFailed = false;
  /** The time of the filters is over, and there is more. */
  #patient = false;
  #over = false;

  constructor(
    listener: RunningListener,
    socket: Socket,
    arrival: Arrival | null,
    wheel: TimerWheel,
    needs: NeededInspection,
  ) {
    this.#listener = listener;
    this.#socket = socket;
    this.#arrival = arrival;
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
    const { config } = listener;
    const port = listener.destinationPort(socket, arrival);
    this.#tls = listener.inspectsTls(port) ? new FirstBytesReader() : null;
    this.#notTls = this.#tls === null;
    this.#looksAtHttp = config.inspectHttp === true && needs === 'tls-and-http' && listener.inspectsHttp(port);
  }

  /** `timeoutMs`: for the first bytes; 0: none. `serverFirst`: this caller was found to be silent at this destination. */
  start(timeoutMs: number, serverFirst: boolean): void {
    const socket = this.#socket;
    this.#listener.stats.inspecting.value++;
    socket.on('readable', this.#onReadable);
    socket.on('error', ignore);
    socket.once('close', this.#onClosed);
    socket.once('end', this.#onEnded);
    if (serverFirst) this.#onSilent();
    else if (timeoutMs > 0) this.#wheel.arm(this.#timer, timeoutMs);
  }

  onTimer(): void {
    const { stats, config } = this.#listener;
    // The time of the race's grace, and of patience, is no time of the filters.
    if (!this.#raceFailed && !this.#patient) stats.inspectionTimeouts.value++;
    if (config.continueOnTimeout !== true) {
      this.#stop();
      this.#socket.destroy();
    } else if (this.#raceFailed || this.#patient) this.#choose(nothingSeen, false);
    else if (this.#read.length === 0) this.#onSilent();
    else if (this.#notTls) this.#choose(nothingSeen, false);
    else this.#wait(patienceMs);
  }

  #onSilent(): void {
    const chain = this.#listener.chainFor(this.#socket, this.#arrival, nothingSeen);
    if (chain === null || chain.manager.race === undefined) {
      this.#wait(chain === null ? shortPatienceMs : patienceMs);
      return;
    }
    this.#raceChain = chain;
    const race = chain.race(this.#socket, this.#arrival, this);
    if (race === null) this.onRaceFailed();
    // It failed at once: nobody had it to abandon.
    else if (this.#raceFailed) race.abandon();
    else this.#race = race;
  }

  #wait(timeMs: number): void {
    this.#patient = true;
    this.#wheel.arm(this.#timer, timeMs);
  }

  // -- told by the race --

  onUpstreamFirst(): void {
    const { stats } = this.#listener;
    stats.upstreamFirst.value++;
    this.#listener.foundFirst(this.#socket, this.#arrival, 'server');
    this.#stop();
    const race = this.#race!;
    this.#race = null;
    this.#socket.off('error', ignore);
    const first = this.#takeRead();
    race.take(this.#listener.readOn(this.#socket), first, false);
  }

  onRaceFailed(): void {
    if (this.#over || this.#raceFailed) return;
    this.#raceFailed = true;
    this.#race?.abandon();
    this.#race = null;
    if (!this.#timer.armed) this.#wheel.arm(this.#timer, graceMs);
  }

  onRaceOver(): void {
    this.#race = null;
    this.#stop();
    this.#socket.destroy();
  }

  // -- told by the caller --

  readonly #onReadable = (): void => {
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk === null) return;
    this.#read.push(chunk);
    const seen = this.#look(chunk);
    if (seen !== 'more') {
      this.#choose(seen, false);
      return;
    }
    // In a race nothing waits for the rest of what has begun.
    const { listenerFiltersTimeoutMs } = this.#listener.config;
    if (!this.#timer.armed && listenerFiltersTimeoutMs > 0) this.#wheel.arm(this.#timer, listenerFiltersTimeoutMs);
  };

  #look(chunk: Buffer): Seen | 'more' {
    if (!this.#notTls) {
      const hello = this.#tls!.add(chunk);
      if (hello === 'more') return 'more';
      if (hello !== 'raw') return { hello, protocol: '' };
      this.#notTls = true;
    }
    if (!this.#looksAtHttp) return nothingSeen;
    const protocol = plaintextProtocol(this.#read.length === 1 ? this.#read[0]! : Buffer.concat(this.#read));
    return protocol === 'more' || protocol === ''
      ? protocol === ''
        ? nothingSeen
        : 'more'
      : { hello: null, protocol };
  }

  /** It says no more: what it said is all there is to go by. */
  readonly #onEnded = (): void => {
    this.#choose(nothingSeen, true);
  };

  readonly #onClosed = (): void => {
    this.#race?.abandon();
    this.#race = null;
    this.#stop();
  };

  #choose(seen: Seen, ended: boolean): void {
    this.#stop();
    const socket = this.#socket;
    socket.off('error', ignore);
    const listener = this.#listener;
    if (seen.hello !== null && seen.hello.serverName !== '')
      this.#arrival = listener.withServerName(socket, this.#arrival, seen.hello.serverName);
    const chain = listener.chainFor(socket, this.#arrival, seen);
    const first = this.#takeRead();
    const race = this.#race;
    this.#race = null;
    const raced = this.#raceChain !== null && this.#read.length > 0;
    if (raced) listener.stats.callerFirst.value++;
    if (seen.hello !== null && listener.config.continueOnTimeout === true)
      listener.foundFirst(socket, this.#arrival, 'caller by TLS');
    else if (raced) listener.foundFirst(socket, this.#arrival, 'caller');
    if (race !== null && chain === this.#raceChain) {
      race.take(listener.readOn(socket), first, ended);
      return;
    }
    race?.abandon();
    listener.handTo(chain, socket, this.#arrival, first, ended);
  }

  #takeRead(): Buffer | null {
    const read = this.#read;
    // What came meanwhile.
    const rest = this.#socket.readableEnded ? null : (this.#socket.read() as Buffer | null);
    if (rest !== null) read.push(rest);
    return read.length === 0 ? null : read.length === 1 ? read[0]! : Buffer.concat(read);
  }

  #stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener.stats.inspecting.value--;
    this.#wheel.disarm(this.#timer);
    const socket = this.#socket;
    socket.off('readable', this.#onReadable);
    socket.off('close', this.#onClosed);
    socket.off('end', this.#onEnded);
  }
}

function ignore(): void {
  // 'close' follows and is where things end.
}
