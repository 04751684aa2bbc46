/**
 * Gives up answers that are whole here and for which the peer leaves no window (Envoy `stream_flush_timeout`): nobody above waits for them any more, and a client that
 * never opens its window must not make us hold them for ever. One timer per connection, which looks now and then whether each has moved since the last look, so that
 * an answer goes between one and two timeouts after the peer took something of it last. Answers still being made are the owner's to time.
 */
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { Http2Endpoint } from './endpoint.ts';
import type { Http2Stream } from './stream.ts';

export class FlushTimer implements TimerTarget {
  readonly #endpoint: Http2Endpoint;
  readonly #wheel: TimerWheel;
  readonly #timeoutMs: number;
  readonly #timer: WheelTimer;

  constructor(endpoint: Http2Endpoint, wheel: TimerWheel, timeoutMs: number) {
    this.#endpoint = endpoint;
    this.#wheel = wheel;
    this.#timeoutMs = timeoutMs;
    this.#timer = new WheelTimer(this);
  }

  /** The last of a stream's message waits to be sent. */
  onEndQueued(stream: Http2Stream): void {
    if (this.#timer.armed) return;
    stream.bytesAtLastLook = stream.queuedBytes;
    this.#wheel.arm(this.#timer, this.#timeoutMs);
  }

  stop(): void {
    this.#wheel.disarm(this.#timer);
  }

  onTimer(): void {
    let waiting = false;
    for (const stream of this.#endpoint.streams.values()) {
      if (!stream.endQueued) continue;
      if (stream.bytesAtLastLook === stream.queuedBytes) this.#endpoint.onFlushTimeout(stream);
      else {
        stream.bytesAtLastLook = stream.queuedBytes;
        waiting = true;
      }
    }
    if (waiting && this.#endpoint.isReading) this.#wheel.arm(this.#timer, this.#timeoutMs);
  }
}
