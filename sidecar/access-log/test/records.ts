/** Records for tests. */
import { HeaderFields } from '../../codec/header-fields.ts';
import { connectionInfo, get } from '../../connection-manager/test/stream-rig.ts';
import { connectionRecord } from '../brief-records.ts';
import type { LoggedConnection, LoggedStream, LogRecord } from '../log-record.ts';
import { StreamRecord } from '../stream-record.ts';

export function finishedStream(overrides: Partial<LoggedStream> = {}): LoggedStream {
  return {
    head: get('/rewritten', HeaderFields.of(['User-Agent', 'curl'], ['X-Two', 'a'], ['x-two', 'b'])),
    originalPath: '/asked?for',
    version: '1.1',
    requestId: 'id-1',
    grpc: false,
    traceId: '',
    spanId: '',
    trace: null,
    startMs: 1000,
    requestWholeMs: 1000.5,
    firstByteMs: 1007,
    lastAttempt: {
      ...{ sentMs: 1001, firstByteMs: 1007, endedMs: 1009 },
      ...{ failure: null, stream: { connection: { localEnd: '10.0.0.9:40001' } } },
    },
    status: 200,
    flag: '',
    details: 'via_upstream',
    grpcStatus: '',
    bytesReceived: 3,
    bytesSent: 5,
    attempts: 1,
    notRetried: '',
    upstreamHost: '10.0.0.1:80',
    upstreamServiceTimeMs: 7,
    route: { name: 'r' },
    target: { name: 'outbound|80||orders.shop' },
    responseHead: { fields: HeaderFields.of(['X-Cache', 'hit']), version: '1.1' },
    responseTrailers: null,
    policy: '',
    dryRunDeniedBy: '',
    decidedBy: '',
    metadata: null,
    ...overrides,
  };
}

const endWallMs = Date.UTC(2026, 10, 29, 12, 0, 1);

export function streamRecord(
  overrides: Partial<LoggedStream> = {},
  info: Partial<LogRecord['info']> = {},
  durationMs = 12.3456,
): LogRecord {
  const hidden = new Set(['access_token']);
  return new StreamRecord(
    finishedStream(overrides),
    { ...connectionInfo, ...info },
    durationMs,
    endWallMs,
    hidden,
    null,
  );
}

export function tcpRecord(overrides: Partial<LoggedConnection> = {}): LogRecord {
  const connection: LoggedConnection = {
    flag: '',
    details: 'closed',
    bytesReceived: 10,
    bytesSent: 20,
    attempts: 1,
    upstreamHost: '10.0.0.9:5432',
    clusterName: 'db',
    policy: '',
    dryRunDeniedBy: '',
    metadata: null,
    ...overrides,
  };
  return connectionRecord(connection, 'TcpConnectionEnd', connectionInfo, 40, endWallMs);
}
