/** Logs what ends, as configured: of what, in which format, to which sink. */
import type { ProxyError } from '../codec/proxy-error.ts';
import type { AccessLogConfig, LineSinkConfig, LogFormatConfig, LogType } from '../config/access-log-config.ts';
import type { DownstreamConnectionInfo, HttpContext } from '../connection-manager/http-context.ts';
import type { ForwardedForRules } from '../filters/rbac/request-view.ts';
import type { Clock } from '../runtime/clock.ts';
import { connectionRecord, refusalRecord } from './brief-records.ts';
import { DefaultLine } from './default-line.ts';
import { accessTokenParameter } from './hidden-parameters.ts';
import type { LineBuffer } from './line-buffer.ts';
import { compileLogFilter, type LogFilter } from './log-filter.ts';
import { compileJsonFormat, compileTextFormat } from './log-format.ts';
import type { LoggedConnection, LoggedStream, LogRecord } from './log-record.ts';
import { StreamRecord } from './stream-record.ts';

type LineFormat = (record: LogRecord, out: LineBuffer) => void;

export class AccessLogger {
  readonly #take: (record: LogRecord) => void;
  /** Null: everything is logged. */
  readonly #filter: LogFilter | null;
  readonly #clock: Clock;
  readonly #hidden: ReadonlySet<string>;
  readonly #forwardedFor: ForwardedForRules | null;

  /**
   * `tokenParameters`: of the query, in lower case, whose values are not told. Throws when a format has an unknown operator, or a filter an expression that cannot be evaluated: the configuration was to be checked before.
   */
  constructor(
    config: AccessLogConfig,
    context: Pick<HttpContext, 'accessLogSinks' | 'clock' | 'random'>,
    tokenParameters: Iterable<string> = [],
    forwardedFor: ForwardedForRules | null = null,
  ) {
    this.#forwardedFor = forwardedFor;
    this.#hidden = new Set([accessTokenParameter, ...tokenParameters]);
    this.#filter = config.filter === null ? null : compileLogFilter(config.filter, context.random);
    this.#clock = context.clock;
    const { sink } = config;
    const { accessLogSinks } = context;
    this.#take =
      sink.kind === 'als' || sink.kind === 'otlp' ? accessLogSinks.openService(sink) : toLines(sink, accessLogSinks);
  }

  write(stream: LoggedStream, info: DownstreamConnectionInfo, durationMs: number): void {
    this.#log(new StreamRecord(stream, info, durationMs, this.#clock.wallMs(), this.#hidden, this.#forwardedFor));
  }

  /** A request that the codec refused before it became a stream. */
  writeRefusal(error: ProxyError, codec: 'http1' | 'http2', info: DownstreamConnectionInfo): void {
    this.#log(refusalRecord(error, codec, info, this.#clock.wallMs()));
  }

  /** A connection of which nothing was HTTP, when it is over. */
  writeConnection(
    connection: LoggedConnection,
    info: DownstreamConnectionInfo,
    durationMs: number,
    type: LogType = 'TcpConnectionEnd',
  ): void {
    this.#log(connectionRecord(connection, type, info, durationMs, this.#clock.wallMs()));
  }

  #log(record: LogRecord): void {
    if (this.#filter === null || this.#filter(record)) this.#take(record);
  }
}

function toLines(sink: LineSinkConfig, sinks: HttpContext['accessLogSinks']): (record: LogRecord) => void {
  const writer = sinks.open(sink);
  const format = lineFormat(sink.format);
  return (record) => writer.write(format, record);
}

function lineFormat(config: LogFormatConfig): LineFormat {
  switch (config.kind) {
    case 'default': {
      const line = new DefaultLine();
      return (record, out) => line.write(record, out);
    }
    case 'text': {
      const format = compileTextFormat(config.text.replace(/\n$/, ''), config.omitEmpty);
      return (record, out) => out.raw(format(record));
    }
    case 'json':
      return compileJsonFormat(config.value, config.omitEmpty);
  }
}
