/** Writes one line per finished request, as configured. Lines are prepared text; what callers sent is escaped. */
import type { ProxyError } from '../codec/proxy-error.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import type { ActiveStream } from '../connection-manager/active-stream.ts';
import type { DownstreamConnectionInfo, HttpContext, LineWriter } from '../connection-manager/http-context.ts';
import { escapeControls } from '../runtime/log.ts';
import { compileLogFormat } from './log-format.ts';
import type { LogRecord } from './log-record.ts';

type LineFormat = (record: LogRecord) => string;

export class AccessLogger {
  readonly #writer: LineWriter;
  readonly #format: LineFormat;
  readonly #errorsOnly: boolean;
  readonly #context: HttpContext;

  constructor(config: AccessLogConfig, context: HttpContext) {
    this.#writer = context.accessLogSinks.open(config.sink);
    this.#format = lineFormat(config);
    this.#errorsOnly = config.filter === 'errors';
    this.#context = context;
  }

  write(stream: ActiveStream, info: DownstreamConnectionInfo, durationMs: number): void {
    if (this.#errorsOnly && stream.status < 500 && stream.flag === '') return;
    this.#writer.writeLine(
      this.#format({
        head: stream.head,
        originalPath: stream.originalPath,
        version: stream.version,
        requestId: stream.requestId,
        status: stream.status,
        flag: stream.flag,
        details: stream.details,
        grpcStatus: stream.grpcStatus,
        bytesReceived: stream.bytesReceived,
        bytesSent: stream.bytesSent,
        attempts: stream.attempts,
        upstreamHost: stream.upstreamHost,
        upstreamServiceTimeMs: stream.upstreamServiceTimeMs,
        routeName: stream.route?.name ?? '',
        clusterName: stream.target?.name ?? '',
        durationMs,
        startWallMs: this.#context.clock.wallMs() - durationMs,
        listenerName: info.listenerName,
        remoteAddress: info.remoteAddress,
        localAddress: info.localAddress,
      }),
    );
  }

  /** A request that was refused before it became a stream. */
  writeRefusal(error: ProxyError, info: DownstreamConnectionInfo): void {
    this.#writer.writeLine(
      this.#format({
        head: undefined,
        originalPath: '',
        version: '',
        requestId: '',
        status: error.status,
        flag: error.flag,
        details: error.details,
        grpcStatus: '',
        bytesReceived: 0,
        bytesSent: 0,
        attempts: 0,
        upstreamHost: '',
        upstreamServiceTimeMs: -1,
        routeName: '',
        clusterName: '',
        durationMs: 0,
        startWallMs: this.#context.clock.wallMs(),
        listenerName: info.listenerName,
        remoteAddress: info.remoteAddress,
        localAddress: info.localAddress,
      }),
    );
  }
}

function lineFormat(config: AccessLogConfig): LineFormat {
  switch (config.format.kind) {
    case 'default':
      return defaultLine;
    case 'text': {
      const format = compileLogFormat(config.format.text.replace(/\n$/, ''));
      return (record) => escapeControls(format(record));
    }
    case 'json': {
      const fields = config.format.fields.map(([name, text]) => [name, compileLogFormat(text)] as const);
      return (record) => JSON.stringify(Object.fromEntries(fields.map(([name, format]) => [name, format(record)])));
    }
  }
}

function defaultLine(record: LogRecord): string {
  const { head } = record;
  return JSON.stringify({
    time: new Date(record.startWallMs).toISOString(),
    method: head?.method,
    path: record.originalPath || undefined,
    authority: head?.authority,
    protocol: record.version === '' ? undefined : `HTTP/${record.version}`,
    status: record.status,
    flags: record.flag || undefined,
    details: record.details || undefined,
    grpc_status: record.grpcStatus || undefined,
    duration_ms: Math.round(record.durationMs * 1000) / 1000,
    upstream_service_time_ms: record.upstreamServiceTimeMs < 0 ? undefined : record.upstreamServiceTimeMs,
    bytes_received: record.bytesReceived,
    bytes_sent: record.bytesSent,
    upstream_host: record.upstreamHost || undefined,
    cluster: record.clusterName || undefined,
    route: record.routeName || undefined,
    attempts: record.attempts > 1 ? record.attempts : undefined,
    request_id: record.requestId || undefined,
    user_agent: head?.fields.get('user-agent'),
    forwarded_for: head?.fields.get('x-forwarded-for'),
    downstream: record.remoteAddress,
    listener: record.listenerName,
  });
}
