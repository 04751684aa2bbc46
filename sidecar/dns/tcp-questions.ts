/** A caller's TCP connection: one question after the other, or many at once (RFC 7766), each with its length in front; answers go out as they come. Bounded in questions, bytes and time. */
import type { Socket } from 'node:net';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { DnsResolver } from './dns-resolver.ts';
import { framed } from './upstream-exchange.ts';

/** Questions without an answer, on one connection; behind it is not read on. */
const mostAtOnce = 32;
/** Without a whole question and without an answer to come. RFC 7766 wants seconds. */
const idleMs = 10_000;
/** Answers that the caller does not take. */
const mostUnsentBytes = 256 * 1024;

export class TcpQuestions implements TimerTarget {
  readonly #socket: Socket;
  readonly #resolver: () => DnsResolver;
  readonly #wheel: TimerWheel;
  readonly #timer: WheelTimer;
  #unread: Buffer = Buffer.alloc(0);
  #open = 0;
  #ended = false;

  /** `resolver`: the one of now: a listener's table changes while its connections go on. */
  constructor(socket: Socket, resolver: () => DnsResolver, wheel: TimerWheel) {
    this.#socket = socket;
    this.#resolver = resolver;
    this.#wheel = wheel;
    this.#timer = new WheelTimer(this);
    socket.on('data', (bytes: Buffer) => {
      this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
      this.#read();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#endWhenAnswered();
    });
    socket.on('drain', () => this.#read());
    socket.on('error', () => {});
    socket.on('close', () => wheel.disarm(this.#timer));
    this.#waitForQuestion();
  }

  onTimer(): void {
    // With answers to come, or that are not taken, it waits once more: both have bounds of their own, and an answer that is never taken is the second one.
    if (this.#open > 0) this.#waitForQuestion();
    else this.#socket.destroy();
  }

  #waitForQuestion(): void {
    this.#wheel.arm(this.#timer, idleMs);
  }

  get #isFull(): boolean {
    return this.#open >= mostAtOnce || this.#socket.writableLength > mostUnsentBytes;
  }

  #read(): void {
    while (!this.#isFull && this.#unread.length >= 2) {
      const end = 2 + this.#unread.readUInt16BE(0);
      if (this.#unread.length < end) break;
      const question = this.#unread.subarray(2, end);
      this.#unread = this.#unread.subarray(end);
      this.#open++;
      this.#waitForQuestion();
      const isTaken = this.#resolver().handle(question, 'tcp', (answer) => this.#answer(answer));
      if (!isTaken) {
        // It speaks something else.
        this.#socket.destroy();
        return;
      }
    }
    if (this.#isFull) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #answer(bytes: Buffer): void {
    this.#open--;
    if (this.#socket.destroyed) return;
    this.#socket.write(framed(bytes));
    this.#waitForQuestion();
    if (this.#socket.isPaused()) this.#read();
    this.#endWhenAnswered();
  }

  #endWhenAnswered(): void {
    if (this.#ended && this.#open === 0) this.#socket.end();
  }
}
