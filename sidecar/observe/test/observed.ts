/** Records for tests, and a flight recorder that keeps what it is given. */
import { HeaderFields } from '../../codec/header-fields.ts';
import type { TappedExchange } from '../../recorder/flight-recorder.ts';
import { matchesFilter, type RequestFilter } from '../../recorder/request-filter.ts';
import type { RecordedAttempt, RequestRecord } from '../../recorder/request-record.ts';
import type { RequestSource } from '../request-source.ts';

export function observed(more: Partial<RequestRecord> = {}): RequestRecord {
  return {
    requestId: 'r1',
    traceId: '',
    spanId: '',
    parentSpanId: '',
    service: 'shop/orders',
    nodeId: 'orders-1',
    direction: 'outbound',
    listener: 'outbound',
    startedWallMs: 1_000_000,
    durationMs: 5.2,
    method: 'GET',
    authority: 'payments',
    path: '/pay?x=1',
    protocol: 'HTTP/1.1',
    peerIdentity: '',
    remoteAddress: '127.0.0.1:40000',
    source: 'shop/orders',
    destination: 'shop/payments',
    route: 'shop/payments#rule-0',
    cluster: 'outbound|80||payments.shop',
    status: 200,
    grpcStatus: '',
    flags: '',
    details: 'via_upstream',
    rule: '',
    bytesReceived: 0,
    bytesSent: 10,
    phases: { routedMs: 0.1, admittedMs: 0.2, requestWholeMs: 0.2, firstByteMs: 4, doneMs: 5.2 },
    attempts: [],
    passedOver: [],
    kept: 'sample',
    circumstances: [],
    ...more,
  };
}

export function attempted(more: Partial<RecordedAttempt> = {}): RecordedAttempt {
  return {
    cluster: 'outbound|80||payments.shop',
    host: '10.0.0.1:80',
    zone: '',
    startedMs: 0.2,
    sentMs: 0.5,
    firstByteMs: 4,
    endedMs: 5,
    status: 200,
    flag: '',
    details: '',
    reused: true,
    why: 'first',
    spanId: '',
    ...more,
  };
}

type Listener = Parameters<RequestSource['onRecord']>[0];

export class KeptRequests implements RequestSource {
  readonly #records: RequestRecord[] = [];
  readonly #listeners = new Set<Listener>();
  /** As they were asked for. */
  readonly bodyBytes: number[] = [];

  get listeners(): number {
    return this.#listeners.size;
  }

  offer(record: RequestRecord, exchange: Partial<TappedExchange> = {}): void {
    this.#records.unshift(record);
    const whole = {
      ...{ requestFields: new HeaderFields(), responseFields: null, requestBody: null, responseBody: null },
      hiddenParameters: new Set<string>(),
    };
    for (const listener of this.#listeners) listener(record, { ...whole, ...exchange });
  }

  find(id: string): readonly RequestRecord[] {
    return this.#records.filter(({ requestId, traceId }) => requestId === id || traceId === id);
  }

  list(filter: RequestFilter, limit: number): readonly RequestRecord[] {
    return this.#records.filter((record) => matchesFilter(record, filter)).slice(0, limit);
  }

  onRecord(listener: Listener, bodyBytes = 0): () => void {
    this.#listeners.add(listener);
    this.bodyBytes.push(bodyBytes);
    return () => this.#listeners.delete(listener);
  }
}
