/** Requests as they end, for somebody who watches: gathered for a moment and sent together. What comes while the stream is full, or in greater number than a moment holds, is counted and dropped: traffic never waits for it. */

import type { TappedExchange } from '../recorder/flight-recorder.ts';
import { matchesFilter, type RequestFilter } from '../recorder/request-filter.ts';
import type { RequestRecord as RecordedRequest } from '../recorder/request-record.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { RequestRecord } from '../xds/api/outrigger/observe/v1/observe_pb.js';
import { hasHeaders } from './decode-filter.ts';
import { encodeRecord, type SeenExchange } from './encode-record.ts';
import { maskedHeaders } from './masked-headers.ts';
import type { RequestSource } from './request-source.ts';
import type { AnswerStream, RunningQuery } from './running-query.ts';

const gatherMs = 100;
/** Between two sendings. */
const mostWaiting = 256;
/** Header fields and bodies, which may be large. */
const mostWaitingBytes = 2 * 1024 * 1024;

export interface TapInit {
  readonly source: RequestSource;
  readonly filter: RequestFilter;
  readonly showHeaders: boolean;
  /** Of each body; 0: none. */
  readonly bodyBytes: number;
  /** When it has sent so many it is done. */
  readonly limit: number;
  readonly stream: AnswerStream;
  readonly wheel: TimerWheel;
}

export class Tap implements RunningQuery, TimerTarget {
  readonly #init: TapInit;
  readonly #timer: WheelTimer;
  readonly #stopListening: () => void;
  #waiting: RequestRecord[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  /** So far, sent and waiting; those that were dropped are not in it. */
  #kept = 0;

  constructor(init: TapInit) {
    this.#init = init;
    this.#timer = new WheelTimer(this);
    this.#stopListening = init.source.onRecord((record, exchange) => this.#take(record, exchange), init.bodyBytes);
  }

  stop(): void {
    this.#stopListening();
    this.#init.wheel.disarm(this.#timer);
    this.#waiting = [];
  }

  onTimer(): void {
    const { stream, wheel, limit } = this.#init;
    if (stream.blocked) {
      wheel.arm(this.#timer, gatherMs);
      return;
    }
    const requests = this.#waiting;
    const dropped = BigInt(this.#dropped);
    const done = this.#kept >= limit;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#dropped = 0;
    if (done) this.stop();
    stream.answer({ requests, dropped, done });
    if (done) stream.done();
  }

  #take(record: RecordedRequest, exchange: TappedExchange): void {
    const { filter, limit, wheel } = this.#init;
    if (this.#kept >= limit || !matchesFilter(record, filter) || !hasHeaders(exchange.requestFields, filter)) return;
    if (!this.#timer.armed) wheel.arm(this.#timer, gatherMs);
    if (this.#waiting.length >= mostWaiting || this.#waitingBytes >= mostWaitingBytes) {
      this.#dropped++;
      return;
    }
    this.#kept++;
    const seen = this.#seen(exchange);
    this.#waitingBytes += bytesOf(seen);
    this.#waiting.push(encodeRecord(record, seen));
  }

  #seen(exchange: TappedExchange): Partial<SeenExchange> {
    const { requestFields, responseFields, requestBody, responseBody, hiddenParameters } = exchange;
    const { showHeaders, bodyBytes } = this.#init;
    return {
      ...(showHeaders
        ? {
            requestHeaders: maskedHeaders(requestFields.pairs(), hiddenParameters),
            responseHeaders: maskedHeaders(responseFields?.pairs() ?? [], hiddenParameters),
          }
        : {}),
      ...(bodyBytes > 0
        ? { requestBody: beginning(requestBody, bodyBytes), responseBody: beginning(responseBody, bodyBytes) }
        : {}),
    };
  }
}

/** Somebody else may have asked for more. */
function beginning(body: Buffer | null, most: number): Uint8Array {
  return body === null ? new Uint8Array() : Uint8Array.from(body.subarray(0, most));
}

function bytesOf({ requestHeaders = {}, responseHeaders = {}, requestBody, responseBody }: Partial<SeenExchange>) {
  let bytes = (requestBody?.length ?? 0) + (responseBody?.length ?? 0);
  for (const fields of [requestHeaders, responseHeaders])
    for (const [name, value] of Object.entries(fields)) bytes += name.length + value.length;
  return bytes;
}
