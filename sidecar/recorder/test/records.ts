/** A record of a plain request, with what a test wants otherwise. */
import type { RecordedAttempt, RequestRecord } from '../request-record.ts';

export function recordedAttempt(overrides: Partial<RecordedAttempt> = {}): RecordedAttempt {
  return {
    cluster: 'outbound|80||orders.shop',
    host: '10.0.0.1:80',
    zone: 'a',
    startedMs: 0,
    sentMs: 0.5,
    firstByteMs: 9,
    endedMs: 10,
    status: 200,
    flag: '',
    details: '',
    reused: true,
    why: 'first',
    spanId: '',
    ...overrides,
  };
}

export function requestRecord(overrides: Partial<RequestRecord> = {}): RequestRecord {
  return Object.freeze({
    requestId: 'id-1',
    traceId: '',
    spanId: '',
    parentSpanId: '',
    service: 'shop/storefront',
    nodeId: 'storefront-1',
    direction: 'outbound',
    listener: 'outbound',
    startedWallMs: 1_790_000_000_000,
    durationMs: 10,
    method: 'GET',
    authority: 'orders.shop',
    path: '/cart',
    protocol: 'HTTP/1.1',
    peerIdentity: '',
    remoteAddress: '127.0.0.1:4000',
    source: 'shop/storefront',
    destination: 'shop/orders',
    route: 'shop/orders#rule-0',
    cluster: 'outbound|80||orders.shop',
    status: 200,
    grpcStatus: '',
    flags: '',
    details: 'via_upstream',
    rule: '',
    bytesReceived: 0,
    bytesSent: 2,
    phases: { routedMs: 0, admittedMs: 0, requestWholeMs: 0, firstByteMs: 9, doneMs: 10 },
    attempts: [recordedAttempt()],
    passedOver: [],
    kept: 'sample',
    circumstances: [],
    ...overrides,
  } satisfies RequestRecord);
}
