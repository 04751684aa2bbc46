/** One question of ours to the name servers: tries them one after the other, by TCP where an answer did not fit, until one answers or the time is over. Those that ask the same meanwhile wait for the same answer. */
import type { SocketAddress } from '../config/listener-config.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { type DnsMessage, flag, opcodeOf, rcode, readMessage } from './dns-message.ts';
import { DnsFormatError } from './dns-name.ts';
import { type DnsQuery, writeQuestion } from './dns-query.ts';
import { askByTcp, askByUdp } from './upstream-exchange.ts';

/** `bytes`: the server's own message, under our id. */
export type LookupResult =
  | { readonly kind: 'answer'; readonly bytes: Buffer }
  | { readonly kind: 'failed'; readonly why: string };

export interface LookupOptions {
  readonly query: DnsQuery;
  /** Asked in this order. */
  readonly servers: readonly SocketAddress[];
  /** How often each. */
  readonly rounds: number;
  readonly timeoutMs: number;
  /** TCP alone. */
  readonly tcpOnly: boolean;
  /** Who asks takes answers of any size: one that is truncated is asked for again by TCP. */
  readonly whole: boolean;
  readonly wheel: TimerWheel;
  readonly randomId: () => number;
  /** A server did not do its work: the next lookups had better begin with another. */
  readonly onServerFailed: (server: SocketAddress, why: string) => void;
  readonly onForeign: () => void;
  readonly onDone: (result: LookupResult) => void;
}

/** A server gets at least this long. */
const leastTryMs = 250;

export class UpstreamLookup implements TimerTarget {
  readonly #options: LookupOptions;
  readonly #timer: WheelTimer;
  readonly #tries: number;
  #next = 0;
  #byTcp: boolean;
  #end: (() => void) | null = null;
  /** What a server said that could not help; better than nothing. */
  #poor: Buffer | null = null;
  #why = '';
  #done = false;

  constructor(options: LookupOptions) {
    this.#options = options;
    this.#timer = new WheelTimer(this);
    this.#byTcp = options.tcpOnly;
    // One server alone is asked twice: a datagram may get lost.
    this.#tries = Math.max(2, options.servers.length) * options.rounds;
  }

  start(): void {
    this.#try();
  }

  /** Nobody waits any more. */
  abandon(): void {
    this.#done = true;
    this.#endTry();
  }

  get #server(): SocketAddress {
    const { servers } = this.#options;
    return servers[this.#next % servers.length]!;
  }

  #try(): void {
    const { query, wheel, timeoutMs, randomId, onForeign } = this.#options;
    const server = this.#server;
    const id = randomId();
    wheel.arm(this.#timer, Math.max(leastTryMs, Math.floor(timeoutMs / this.#tries)));
    // A call-back may come before the function that ends it is here.
    const ask = this.#byTcp ? askByTcp : askByUdp;
    this.#end = ask(server, writeQuestion(query, id), {
      accepts: (bytes) => isAnswer(bytes, id, query),
      onAnswer: (bytes) => this.#onAnswer(server, bytes),
      onFailed: (why) => this.#onFailed(server, why),
      onForeign,
    });
  }

  #endTry(): void {
    this.#options.wheel.disarm(this.#timer);
    this.#end?.();
    this.#end = null;
  }

  onTimer(): void {
    const server = this.#server;
    this.#endTry();
    this.#onFailed(server, 'it does not answer');
  }

  #onAnswer(server: SocketAddress, bytes: Buffer): void {
    if (this.#done) return;
    const flags = bytes.readUInt16BE(2);
    if ((flags & flag.truncated) !== 0 && !this.#byTcp && this.#options.whole) {
      this.#byTcp = true;
      this.#endTry();
      this.#try();
      return;
    }
    const code = flags & 0xf;
    if (code === rcode.serverFailure || code === rcode.notImplemented || code === rcode.refused) {
      this.#poor ??= bytes;
      this.#onFailed(server, `it answers with the code ${code}`);
      return;
    }
    this.#finish({ kind: 'answer', bytes });
  }

  #onFailed(server: SocketAddress, why: string): void {
    if (this.#done) return;
    this.#endTry();
    this.#why = `${server.host}: ${why}`;
    this.#options.onServerFailed(server, why);
    this.#next++;
    this.#byTcp = this.#options.tcpOnly;
    if (this.#next < this.#tries) this.#try();
    else if (this.#poor === null) this.#finish({ kind: 'failed', why: this.#why });
    else this.#finish({ kind: 'answer', bytes: this.#poor });
  }

  #finish(result: LookupResult): void {
    this.#done = true;
    this.#endTry();
    this.#options.onDone(result);
  }
}

function isAnswer(bytes: Buffer, id: number, { question }: DnsQuery): boolean {
  let message: DnsMessage;
  try {
    message = readMessage(bytes);
  } catch (error) {
    if (error instanceof DnsFormatError) return false;
    throw error;
  }
  if (message.id !== id || (message.flags & flag.response) === 0 || opcodeOf(message) !== 0) return false;
  const [first, ...more] = message.questions;
  return (
    first !== undefined &&
    more.length === 0 &&
    first.name.key === question.name.key &&
    first.type === question.type &&
    first.class === question.class
  );
}
