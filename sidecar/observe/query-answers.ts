/** Answers the queries of one stream: several at a time, each with bounds of its own. Knows nothing of how the stream is kept. */

import type { RequestRecord } from '../recorder/request-record.ts';
import type { Clock } from '../runtime/clock.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type {
  FindRequest,
  ForceBreaker,
  ListRequests,
  Query,
  StartFigures,
  StartTap,
} from '../xds/api/outrigger/observe/v1/observe_pb.js';
import { decodeFilter } from './decode-filter.ts';
import { encodeBreaker } from './encode-breaker.ts';
import { encodeRecord } from './encode-record.ts';
import { FigureReports, type FigureSources } from './figure-reports.ts';
import { QueryFault } from './query-fault.ts';
import type { RequestSource } from './request-source.ts';
import type { AnswerPart, AnswerStream, RunningQuery } from './running-query.ts';
import { Tap } from './tap.ts';

export interface QuerySources extends FigureSources {
  readonly requests: RequestSource;
  /** Null releases it. False: none is called so. */
  readonly forceBreaker: (name: string, to: 'open' | 'closed' | null) => boolean;
}

export interface QueryAnswersInit {
  readonly sources: QuerySources;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly answer: (queryId: bigint, part: AnswerPart) => void;
  readonly blocked: () => boolean;
}

/** That go on, at a time. */
const mostRunning = 16;
const mostFound = 64;
const mostListed = 1_000;
const mostBreakers = 2_000;
const mostTapped = 100_000;
/** Records in a message: of the size that they have as a rule it stays far below gRPC's 4 MiB. */
const recordsPerAnswer = 64;
const mostBodyBytes = 65_536;
const leastIntervalMs = 500;
const mostIntervalMs = 3_600_000;

export class QueryAnswers {
  readonly #init: QueryAnswersInit;
  readonly #running = new Map<bigint, RunningQuery>();

  constructor(init: QueryAnswersInit) {
    this.#init = init;
  }

  onQuery({ id, query }: Query): void {
    if (query.case === 'stop') {
      this.#running.get(query.value)?.stop();
      this.#running.delete(query.value);
      return;
    }
    try {
      if (id === 0n || this.#running.has(id)) throw new QueryFault(`id: ${id} is 0, or of a query that is running`);
      switch (query.case) {
        case 'findRequest':
          return this.#sendRecords(id, this.#find(query.value));
        case 'listRequests':
          return this.#sendRecords(id, this.#list(query.value));
        case 'startTap':
          return this.#tap(id, query.value);
        case 'startFigures':
          return this.#figures(id, query.value);
        case 'forceBreaker':
          this.#force(query.value);
          return this.#init.answer(id, { done: true });
        case 'listBreakers':
          return this.#sendBreakers(id);
        default:
          throw new QueryFault('this sidecar does not know such a query: it is older than who asks');
      }
    } catch (error) {
      if (!(error instanceof QueryFault)) throw error;
      this.#init.answer(id, { done: true, fault: error.message });
    }
  }

  /** The stream is over. */
  close(): void {
    for (const query of this.#running.values()) query.stop();
    this.#running.clear();
  }

  #find({ requestId }: FindRequest): readonly RequestRecord[] {
    if (requestId === '') throw new QueryFault('request_id: is missing');
    return this.#init.sources.requests.find(requestId).slice(0, mostFound);
  }

  #list({ filter, limit }: ListRequests): readonly RequestRecord[] {
    const most = Math.min(limit === 0 ? 100 : limit, mostListed);
    return this.#init.sources.requests.list(decodeFilter(filter), most);
  }

  #sendRecords(id: bigint, records: readonly RequestRecord[]): void {
    for (let at = 0; at === 0 || at < records.length; at += recordsPerAnswer) {
      const requests = records.slice(at, at + recordsPerAnswer).map((record) => encodeRecord(record));
      this.#init.answer(id, { requests, done: at + recordsPerAnswer >= records.length });
    }
  }

  #sendBreakers(id: bigint): void {
    const breakers = this.#init.sources.breakers().slice(0, mostBreakers).map(encodeBreaker);
    this.#init.answer(id, { breakers, done: true });
  }

  #tap(id: bigint, { filter: message, limit, bodyBytes, headers }: StartTap): void {
    const source = this.#init.sources.requests;
    const filter = decodeFilter(message);
    this.#run(
      id,
      (stream) =>
        new Tap({
          source,
          filter,
          showHeaders: headers,
          bodyBytes: Math.min(bodyBytes, mostBodyBytes),
          limit: Math.min(limit === 0 ? 1_000 : limit, mostTapped),
          stream,
          wheel: this.#init.wheel,
        }),
    );
  }

  #figures(id: bigint, { interval }: StartFigures): void {
    const { sources, clock, wheel } = this.#init;
    const ms = interval === undefined ? 1_000 : Number(interval.seconds) * 1_000 + interval.nanos / 1_000_000;
    if (!(ms >= leastIntervalMs && ms <= mostIntervalMs))
      throw new QueryFault(`interval: ${ms} ms is not from ${leastIntervalMs} ms to 1 h`);
    this.#run(id, (stream) => new FigureReports(sources, ms, stream, clock, wheel));
  }

  #run(id: bigint, start: (stream: AnswerStream) => RunningQuery): void {
    const { answer, blocked } = this.#init;
    if (this.#running.size >= mostRunning)
      throw new QueryFault(`${mostRunning} queries run here already: no more at a time`);
    this.#running.set(
      id,
      start({
        answer: (part) => answer(id, part),
        get blocked() {
          return blocked();
        },
        done: () => this.#running.delete(id),
      }),
    );
  }

  #force({ breaker, state }: ForceBreaker): void {
    const to = { open: 'open', closed: 'closed', automatic: null } as const;
    if (!Object.hasOwn(to, state))
      throw new QueryFault(`state: ${JSON.stringify(state)} is not open, closed or automatic`);
    if (!this.#init.sources.forceBreaker(breaker, to[state as keyof typeof to]))
      throw new QueryFault(`breaker: there is no circuit breaker ${JSON.stringify(breaker.slice(0, 200))}`);
  }
}
