/**
 * The last requests of a sidecar, within a bound: all that failed, all that were slow, and a sample of the rest, to be found by request id or trace id. Who taps hears of every request while it taps.
 *
 *   request ended ─▶ keeps()? ─ '' and nobody taps ─▶ nothing is made
 *                       └─ a record is made (make-record.ts) ─▶ offer() ─▶ ring of its kind, index ─▶ taps
 *
 * Of the rest those of the sample have the same request ids at every hop (request-sampling.ts).
 * In a storm of failures some of each second are kept, not all: they would be gone before anybody could ask.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { Counter, StatStore } from '../stats/stat-store.ts';
import { RecordRing } from './record-ring.ts';
import { matchesFilter, type RequestFilter } from './request-filter.ts';
import { isFailure, type Kept, type RequestRecord } from './request-record.ts';
import { RequestSampling } from './request-sampling.ts';
import { BodyBudget } from './tapped-bodies.ts';

/** Beside the record of a request, for who taps; good only within the call. */
export interface TappedExchange {
  readonly requestFields: HeaderFields;
  /** Null: it was not answered. */
  readonly responseFields: HeaderFields | null;
  /** The beginnings of the bodies, as many bytes as anybody asked for and there was room for; null: nobody did. */
  readonly requestBody: Buffer | null;
  readonly responseBody: Buffer | null;
  /** Of a query; their values are not shown. In lower case. */
  readonly hiddenParameters: ReadonlySet<string>;
}

export type RecordListener = (record: RequestRecord, exchange: TappedExchange) => void;

export interface FlightRecorderOptions {
  /** Of this sidecar: `node.cluster` and `node.id`. */
  readonly service: string;
  readonly nodeId: string;
  readonly stats: StatStore;
  /** What all records together may take, by an estimate; default 4 MiB. 0: nothing is kept, and taps work all the same. */
  readonly maxBytes?: number;
  /** A request that takes, or waits for its answer, as long or longer is slow; default 1 s. */
  readonly slowMs?: number;
  /** Ordinary requests of which all are kept up to that rate, and above it about as many; default 100. */
  readonly samplesPerSecond?: number;
}

const defaultMaxBytes = 4 * 1024 * 1024;
/** Shares of errors, slow requests and samples; together below 1, as an estimate may be wrong. */
const shares = { error: 0.45, slow: 0.25, sample: 0.25 };
/** No record is smaller than about as much. */
const leastRecordBytes = 1_024;
/** Errors, and slow requests, of which records are made in a second. */
const mostErrorsPerSecond = 250;
/** Bytes of a body that may be asked for. */
const mostBodyBytes = 65_536;
/** Of all bodies that are kept at a time; of what is beyond nothing is kept. */
const bodyBudgetBytes = 16 * 1024 * 1024;

export class FlightRecorder {
  readonly service: string;
  readonly nodeId: string;
  readonly #slowMs: number;
  readonly #rings: Readonly<Record<Exclude<Kept, ''>, RecordRing>>;
  readonly #byId = new Map<string, RequestRecord[]>();
  /** Errors and slow requests that came too fast. */
  readonly #passed: Counter;
  readonly #kept: Counter;
  #listeners: readonly { readonly listener: RecordListener; readonly bodyBytes: number }[] = [];
  /** Bytes of bodies that somebody taps; 0: none. */
  bodyBytes = 0;
  readonly bodyBudget = new BodyBudget(bodyBudgetBytes);
  readonly #enabled: boolean;
  #secondFromMs = -Infinity;
  #inSecond = 0;
  readonly #sampling: RequestSampling;

  constructor({
    service,
    nodeId,
    stats,
    maxBytes = defaultMaxBytes,
    slowMs = 1_000,
    samplesPerSecond = 100,
  }: FlightRecorderOptions) {
    this.service = service;
    this.nodeId = nodeId;
    this.#slowMs = slowMs;
    this.#sampling = new RequestSampling(samplesPerSecond);
    this.#enabled = maxBytes > 0;
    const ring = (share: number): RecordRing => {
      const bytes = Math.floor(maxBytes * share);
      return new RecordRing(Math.floor(bytes / leastRecordBytes), bytes, (record) => this.#forget(record));
    };
    this.#rings = { error: ring(shares.error), slow: ring(shares.slow), sample: ring(shares.sample) };
    this.#kept = stats.counter('flight_recorder.kept');
    this.#passed = stats.counter('flight_recorder.passed_over');
  }

  // -- asked at the end of every request --

  /** Somebody wants every request. */
  get tapped(): boolean {
    return this.#listeners.length > 0;
  }

  /** Why a request is kept; '': it is not. `waitedMs`: for the beginning of its answer. `tunnel`: it takes as long as it likes. */
  keeps(
    status: number,
    grpcStatus: string,
    flags: string,
    durationMs: number,
    waitedMs: number,
    tunnel: boolean,
    requestId: string,
    nowMs: number,
  ): Kept {
    if (!this.#enabled) return '';
    // What was held up on purpose is wanted too, although it did not fail.
    if (flags !== '' || isFailure(status, grpcStatus, flags)) return this.#withinRate(nowMs) ? 'error' : '';
    if (waitedMs >= this.#slowMs || (durationMs >= this.#slowMs && !tunnel))
      return this.#withinRate(nowMs) ? 'slow' : '';
    return this.#sampling.chooses(requestId, nowMs) ? 'sample' : '';
  }

  #withinRate(nowMs: number): boolean {
    if (nowMs - this.#secondFromMs >= 1_000) {
      this.#secondFromMs = nowMs;
      this.#inSecond = 0;
    }
    if (this.#inSecond >= mostErrorsPerSecond) {
      this.#passed.value++;
      return false;
    }
    this.#inSecond++;
    return true;
  }

  // -- records --

  /** Keeps it where it is to be kept, and tells who taps. */
  offer(record: RequestRecord, exchange: TappedExchange): void {
    const { kept } = record;
    if (kept !== '' && this.#rings[kept].add(record)) {
      this.#kept.value++;
      this.#index(record.requestId, record);
      if (record.traceId !== record.requestId) this.#index(record.traceId, record);
    }
    // Who taps may leave meanwhile.
    for (const { listener } of this.#listeners) listener(record, exchange);
  }

  #index(id: string, record: RequestRecord): void {
    if (id === '') return;
    const known = this.#byId.get(id);
    if (known === undefined) this.#byId.set(id, [record]);
    else known.push(record);
  }

  #forget(record: RequestRecord): void {
    this.#unindex(record.requestId, record);
    if (record.traceId !== record.requestId) this.#unindex(record.traceId, record);
  }

  #unindex(id: string, record: RequestRecord): void {
    const known = this.#byId.get(id);
    if (known === undefined) return;
    if (known.length === 1) {
      this.#byId.delete(id);
      return;
    }
    const at = known.indexOf(record);
    if (at >= 0) known.splice(at, 1);
  }

  // -- asked by people --

  /** Of a request id, or of a trace id in hexadecimal, in the order in which they began. */
  find(id: string): readonly RequestRecord[] {
    const found = this.#byId.get(id) ?? this.#byId.get(id.toLowerCase()) ?? [];
    return found.toSorted((a, b) => a.startedWallMs - b.startedWallMs);
  }

  /** As many at most as `limit`, the newest first. */
  list(filter: RequestFilter, limit: number): readonly RequestRecord[] {
    const found: RequestRecord[] = [];
    for (const ring of Object.values(this.#rings)) {
      let left = limit;
      for (const record of ring.newestFirst()) {
        if (left === 0) break;
        if (!matchesFilter(record, filter)) continue;
        found.push(record);
        left--;
      }
    }
    return found.toSorted((a, b) => endOf(b) - endOf(a)).slice(0, limit);
  }

  /** How many are kept. */
  get size(): number {
    return this.#rings.error.size + this.#rings.slow.size + this.#rings.sample.size;
  }

  /** What they take, by an estimate. */
  get bytes(): number {
    return this.#rings.error.bytes + this.#rings.slow.bytes + this.#rings.sample.bytes;
  }

  /** Hears of every request that ends from now on, also of those of which no record is kept; it must not throw. `bodyBytes`: it wants as many of each body, of requests that begin from now on. The returned function ends it. */
  onRecord(listener: RecordListener, bodyBytes = 0): () => void {
    const entry = { listener, bodyBytes: Math.min(bodyBytes, mostBodyBytes) };
    this.#setListeners([...this.#listeners, entry]);
    return () => this.#setListeners(this.#listeners.filter((each) => each !== entry));
  }

  #setListeners(listeners: readonly { readonly listener: RecordListener; readonly bodyBytes: number }[]): void {
    this.#listeners = listeners;
    this.bodyBytes = listeners.reduce((most, { bodyBytes }) => Math.max(most, bodyBytes), 0);
  }
}

function endOf({ startedWallMs, durationMs }: RequestRecord): number {
  return startedWallMs + durationMs;
}
