/** The owner of a stream in property tests: fails when events come in an order that codec.ts rules out, and answers each with an action. */
import { ok } from 'node:assert/strict';
import type { RequestReceiver, ResponseReceiver, StreamSender } from '../../codec/codec.ts';

export class CheckedStream implements RequestReceiver, ResponseReceiver {
  sender: StreamSender<never> | null = null;
  readonly #act: (one: CheckedStream) => void;
  over = false;
  remoteOver = false;
  headSeen = false;
  /** Inside a sender call only onWriteBlocked may come. */
  sending = false;

  constructor(act: (one: CheckedStream) => void) {
    this.#act = act;
  }
  onInformational(): void {
    this.#event(false);
  }
  onHead(_head: unknown, endStream: boolean): void {
    ok(!this.headSeen);
    this.headSeen = true;
    this.#event(endStream);
  }
  onData(chunk: Buffer, endStream: boolean): void {
    ok(this.headSeen && (chunk.length > 0 || endStream));
    this.#event(endStream);
  }
  onTrailers(): void {
    ok(this.headSeen);
    this.#event(true);
  }
  onReset(): void {
    ok(!(this.over || this.sending));
    this.over = true;
    this.#act(this);
  }
  onWriteBlocked(): void {
    ok(!this.over);
  }
  onWriteReady(): void {
    ok(!(this.over || this.sending));
    this.#act(this);
  }
  #event(endStream: boolean): void {
    ok(!(this.over || this.remoteOver || this.sending));
    if (endStream) this.remoteOver = true;
    this.#act(this);
  }
}
