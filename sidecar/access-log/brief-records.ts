/** LogRecords of what is no request: one that the codec refused before it became a stream, and a finished connection. */
import type { ProxyError } from '../codec/proxy-error.ts';
import type { LogType } from '../config/access-log-config.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import type { LoggedConnection, LogRecord } from './log-record.ts';

/** What there is nothing of in either. */
const nothing = {
  head: null,
  responseFields: null,
  responseTrailers: null,
  originalPath: '',
  path: '',
  upstreamProtocol: '',
  requestId: '',
  traceId: '',
  spanId: '',
  sampled: false,
  grpc: false,
  decidedBy: '',
  grpcStatus: '',
  notRetried: '',
  upstreamLocalEnd: '',
  connectFailure: '',
  upstreamServiceTimeMs: -1,
  routeName: '',
  pointMs: () => -1,
} as const;

export function refusalRecord(
  { status, flag, details }: ProxyError,
  codec: 'http1' | 'http2',
  info: DownstreamConnectionInfo,
  wallMs: number,
): LogRecord {
  return {
    ...nothing,
    tcp: false,
    type: 'DownstreamEnd',
    info,
    clientEndpoint: info.remoteAddress,
    protocol: codec === 'http2' ? 'HTTP/2' : 'HTTP/1.1',
    status,
    flag,
    details,
    policy: '',
    dryRunDeniedBy: '',
    metadata: null,
    bytesReceived: 0,
    bytesSent: 0,
    attempts: 0,
    upstreamHost: '',
    clusterName: '',
    durationMs: 0,
    startWallMs: wallMs,
  };
}

export function connectionRecord(
  connection: LoggedConnection,
  type: LogType,
  info: DownstreamConnectionInfo,
  durationMs: number,
  endWallMs: number,
): LogRecord {
  const { flag, details, policy, dryRunDeniedBy, metadata, bytesReceived, bytesSent } = connection;
  const { attempts, upstreamHost, clusterName } = connection;
  return {
    ...nothing,
    ...{
      tcp: true,
      type,
      info,
      clientEndpoint: info.remoteAddress,
      protocol: '',
      status: 0,
      flag,
      details,
      policy,
      dryRunDeniedBy,
      metadata,
    },
    ...{ bytesReceived, bytesSent, attempts, upstreamHost, clusterName, durationMs },
    startWallMs: endWallMs - durationMs,
  };
}
