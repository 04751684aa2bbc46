/** Our own access log line: JSON with every field that `explain` needs, always the same fields in the same order; null where there is nothing to say. */
import { passingTraceId } from '../tracing/trace-context.ts';
import { LineBuffer } from './line-buffer.ts';
import { LineMember } from './line-member.ts';
import { LineText } from './line-text.ts';
import type { LogRecord } from './log-record.ts';
import { isoTime } from './time-format.ts';

const maxPolicyName = 256;
const member = (name: string): LineMember => new LineMember(`,"${name}":`);
const tcpProtocol = new LineText(',"protocol":"tcp"');
const end = new LineText('}');

export class DefaultLine {
  readonly #formatTime = isoTime();
  readonly #startTime = new LineMember('{"start_time":');
  readonly #method = member('method');
  readonly #path = member('path');
  readonly #authority = member('authority');
  readonly #protocol = member('protocol');
  readonly #status = member('status');
  readonly #flags = member('flags');
  readonly #details = member('details');
  readonly #grpcStatus = member('grpc_status');
  readonly #policy = member('policy');
  readonly #dryRunDeniedBy = member('dry_run_denied_by');
  readonly #bytesReceived = member('bytes_received');
  readonly #bytesSent = member('bytes_sent');
  readonly #duration = member('duration_ms');
  readonly #upstreamServiceTime = member('upstream_service_time_ms');
  readonly #upstreamHost = member('upstream_host');
  readonly #cluster = member('cluster');
  readonly #route = member('route');
  readonly #attempts = member('attempts');
  readonly #notRetried = member('not_retried');
  readonly #requestId = member('request_id');
  readonly #traceId = member('trace_id');
  readonly #userAgent = member('user_agent');
  readonly #forwardedFor = member('x_forwarded_for');
  readonly #serverName = member('server_name');
  readonly #remote = member('downstream_remote');
  readonly #peer = member('downstream_peer');
  readonly #local = member('downstream_local');
  readonly #listener = member('listener');

  write(record: LogRecord, out: LineBuffer): void {
    this.#startTime.string(out, this.#formatTime(record.startWallMs));
    if (record.tcp) this.#writeConnection(record, out);
    else this.#writeRequest(record, out);
    const { remoteAddress, peer, localAddress, listenerName } = record.info;
    this.#remote.string(out, remoteAddress);
    text(out, this.#peer, peer?.uris.join(','));
    this.#local.string(out, localAddress);
    this.#listener.string(out, listenerName);
    out.text(end);
  }

  #writeRequest(record: LogRecord, out: LineBuffer): void {
    const { head, grpcStatus, upstreamServiceTimeMs } = record;
    text(out, this.#method, head?.method);
    text(out, this.#path, record.originalPath);
    text(out, this.#authority, head?.authority);
    text(out, this.#protocol, record.protocol);
    this.#status.number(out, record.status);
    text(out, this.#flags, record.flag);
    text(out, this.#details, record.details);
    if (grpcStatus === '') this.#grpcStatus.null(out);
    else this.#grpcStatus.json(out, grpcStatus);
    text(out, this.#policy, cut(deciding(record)));
    text(out, this.#dryRunDeniedBy, cut(record.dryRunDeniedBy));
    this.#writeTraffic(record, out);
    if (upstreamServiceTimeMs < 0) this.#upstreamServiceTime.null(out);
    else this.#upstreamServiceTime.number(out, upstreamServiceTimeMs);
    text(out, this.#upstreamHost, record.upstreamHost);
    text(out, this.#cluster, record.clusterName);
    text(out, this.#route, record.routeName);
    this.#attempts.number(out, record.attempts);
    text(out, this.#notRetried, record.notRetried);
    text(out, this.#requestId, record.requestId);
    text(out, this.#traceId, traceIdOf(record));
    text(out, this.#userAgent, head?.fields.get('user-agent'));
    text(out, this.#forwardedFor, head?.fields.get('x-forwarded-for'));
  }

  /** Of a connection: nothing of HTTP, and the server name that it asked for. */
  #writeConnection(record: LogRecord, out: LineBuffer): void {
    out.text(tcpProtocol);
    text(out, this.#flags, record.flag);
    text(out, this.#details, record.details);
    text(out, this.#policy, cut(record.policy));
    text(out, this.#dryRunDeniedBy, cut(record.dryRunDeniedBy));
    this.#writeTraffic(record, out);
    text(out, this.#upstreamHost, record.upstreamHost);
    text(out, this.#cluster, record.clusterName);
    this.#attempts.number(out, record.attempts);
    text(out, this.#serverName, record.info.serverName);
  }

  #writeTraffic({ bytesReceived, bytesSent, durationMs }: LogRecord, out: LineBuffer): void {
    this.#bytesReceived.number(out, bytesReceived);
    this.#bytesSent.number(out, bytesSent);
    this.#duration.decimal(out, durationMs);
  }
}

const line = new DefaultLine();
const own = new LineBuffer();

/** The line as a string. */
export function defaultLine(record: LogRecord): string {
  line.write(record, own);
  return own.take();
}

/** Null where there is nothing to say. */
function text(out: LineBuffer, of: LineMember, value: string | undefined): void {
  if (value === undefined || value === '') of.null(out);
  else of.string(out, value);
}

/** Also of one that only passes: callers' traces are found by it where this proxy does not trace. */
export function traceIdOf({ traceId: own, head }: LogRecord): string {
  return own !== '' || head === null ? own : passingTraceId(head.fields);
}

/** What refused the request; else what let it pass: rules that say so, then an outside service that was asked, then that no rule matched. */
function deciding({ flag, policy, decidedBy }: LogRecord): string {
  if (decidedBy === '') return policy;
  return flag === 'UAEX' || policy === '' || policy === 'none' ? decidedBy : policy;
}

/** Names come from the configuration, and one line must not become as long as it likes. */
function cut(name: string): string {
  return name.length > maxPolicyName ? `${name.slice(0, maxPolicyName)}…` : name;
}
