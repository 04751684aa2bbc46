/** Writes one line per finished request, as configured: which requests, in which format, to which sink. */
import type { ProxyError } from '../codec/proxy-error.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import type { DownstreamConnectionInfo, HttpContext, LineWriter } from '../connection-manager/http-context.ts';
import type { Clock } from '../runtime/clock.ts';
import { defaultLine } from './default-line.ts';
import { quoteJson, withoutControls } from './escape.ts';
import { accessTokenParameter, hideParameters } from './hidden-parameters.ts';
import { compileLogFormat } from './log-format.ts';
import type { LoggedStream, LogRecord } from './log-record.ts';

type LineFormat = (record: LogRecord) => string;

export class AccessLogger {
  readonly #writer: LineWriter;
  readonly #format: LineFormat;
  readonly #errorsOnly: boolean;
  readonly #clock: Clock;
  readonly #hidden: ReadonlySet<string>;

  /**
   * `tokenParameters`: of the query, whose values are not written. Throws when the format has an unknown operator: the configuration was to be checked with compileLogFormat before.
   */
  constructor(
    config: AccessLogConfig,
    context: Pick<HttpContext, 'accessLogSinks' | 'clock'>,
    tokenParameters: Iterable<string> = [],
  ) {
    this.#hidden = new Set([accessTokenParameter, ...tokenParameters]);
    this.#writer = context.accessLogSinks.open(config.sink);
    this.#format = lineFormat(config);
    this.#errorsOnly = config.filter === 'errors';
    this.#clock = context.clock;
  }

  write(stream: LoggedStream, info: DownstreamConnectionInfo, durationMs: number): void {
    if (this.#errorsOnly && stream.status < 500 && stream.flag === '') return;
    this.#writer.writeLine(
      this.#format({
        head: stream.head,
        responseFields: stream.responseHead === null ? null : stream.responseHead.fields,
        responseTrailers: stream.responseTrailers,
        originalPath: hideParameters(stream.originalPath, this.#hidden),
        path: hideParameters(stream.head.path, this.#hidden),
        protocol: `HTTP/${stream.version}`,
        requestId: stream.requestId,
        status: stream.status,
        flag: stream.flag,
        details: stream.details,
        policy: stream.policy,
        dryRunDeniedBy: stream.dryRunDeniedBy,
        decidedBy: stream.decidedBy,
        metadata: stream.metadata,
        grpcStatus: stream.grpcStatus,
        bytesReceived: stream.bytesReceived,
        bytesSent: stream.bytesSent,
        attempts: stream.attempts,
        upstreamHost: stream.upstreamHost,
        upstreamServiceTimeMs: stream.upstreamServiceTimeMs,
        routeName: stream.route === null ? '' : stream.route.name,
        clusterName: stream.target === null ? '' : stream.target.name,
        durationMs,
        startWallMs: this.#clock.wallMs() - durationMs,
        listenerName: info.listenerName,
        remoteAddress: info.remoteAddress,
        localAddress: info.localAddress,
        peerUri: info.peer === null ? '' : info.peer.uris.join(','),
        localUri: info.localUri,
        tlsVersion: info.tlsVersion ?? '',
      }),
    );
  }

  /** A request that the codec refused before it became a stream. */
  writeRefusal(error: ProxyError, codec: 'http1' | 'http2', info: DownstreamConnectionInfo): void {
    this.#writer.writeLine(
      this.#format({
        head: null,
        responseFields: null,
        responseTrailers: null,
        originalPath: '',
        path: '',
        protocol: codec === 'http2' ? 'HTTP/2' : 'HTTP/1.1',
        requestId: '',
        status: error.status,
        flag: error.flag,
        details: error.details,
        policy: '',
        dryRunDeniedBy: '',
        decidedBy: '',
        metadata: null,
        grpcStatus: '',
        bytesReceived: 0,
        bytesSent: 0,
        attempts: 0,
        upstreamHost: '',
        upstreamServiceTimeMs: -1,
        routeName: '',
        clusterName: '',
        durationMs: 0,
        startWallMs: this.#clock.wallMs(),
        listenerName: info.listenerName,
        remoteAddress: info.remoteAddress,
        localAddress: info.localAddress,
        peerUri: info.peer === null ? '' : info.peer.uris.join(','),
        localUri: info.localUri,
        tlsVersion: info.tlsVersion ?? '',
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
      return (record) => withoutControls(format.text(record));
    }
    case 'json': {
      const fields = config.format.fields.map(
        ([name, text]) => [`${quoteJson(name)}:`, compileLogFormat(text)] as const,
      );
      return (record) => {
        let line = '{';
        for (const [prefix, format] of fields) line += `${line === '{' ? '' : ','}${prefix}${format.json(record)}`;
        return `${line}}`;
      };
    }
  }
}
