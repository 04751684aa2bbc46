/** Our own access log line: JSON with every field that `explain` needs, always the same fields in the same order; null where there is nothing to say. */
import { passingTraceId } from '../tracing/trace-context.ts';
import { LineBuffer } from './line-buffer.ts';
import type { LogRecord } from './log-record.ts';
import { isoTime } from './time-format.ts';

const maxPolicyName = 256;
const startTime = isoTime();
const own = new LineBuffer();
const key = (name: string): Uint8Array => Buffer.from(`,"${name}":`);
const keys = {
  method: key('method'),
  path: key('path'),
  authority: key('authority'),
  protocol: key('protocol'),
  status: key('status'),
  flags: key('flags'),
  details: key('details'),
  grpc_status: key('grpc_status'),
  policy: key('policy'),
  dry_run_denied_by: key('dry_run_denied_by'),
  upstream_service_time_ms: key('upstream_service_time_ms'),
  upstream_host: key('upstream_host'),
  cluster: key('cluster'),
  route: key('route'),
  attempts: key('attempts'),
  not_retried: key('not_retried'),
  request_id: key('request_id'),
  trace_id: key('trace_id'),
  user_agent: key('user_agent'),
  x_forwarded_for: key('x_forwarded_for'),
  server_name: key('server_name'),
  bytes_received: key('bytes_received'),
  bytes_sent: key('bytes_sent'),
  duration_ms: key('duration_ms'),
  downstream_remote: key('downstream_remote'),
  downstream_peer: key('downstream_peer'),
  downstream_local: key('downstream_local'),
  listener: key('listener'),
};

export function defaultLine(record: LogRecord): string {
  writeDefaultLine(record, own);
  return own.take();
}

export function writeDefaultLine(record: LogRecord, out: LineBuffer): void {
  if (record.tcp) writeConnection(record, out);
  else writeRequest(record, out);
}

function writeRequest(record: LogRecord, out: LineBuffer): void {
  const { head, info } = record;
  begin(out, record);
  text(out, keys.method, head?.method);
  text(out, keys.path, record.originalPath);
  text(out, keys.authority, head?.authority);
  text(out, keys.protocol, record.protocol);
  number(out, keys.status, record.status);
  text(out, keys.flags, record.flag);
  text(out, keys.details, record.details);
  out.constant(keys.grpc_status);
  out.raw(record.grpcStatus === '' ? 'null' : record.grpcStatus);
  text(out, keys.policy, cut(deciding(record)));
  text(out, keys.dry_run_denied_by, cut(record.dryRunDeniedBy));
  traffic(out, record);
  out.constant(keys.upstream_service_time_ms);
  if (record.upstreamServiceTimeMs < 0) out.raw('null');
  else out.number(record.upstreamServiceTimeMs);
  text(out, keys.upstream_host, record.upstreamHost);
  text(out, keys.cluster, record.clusterName);
  text(out, keys.route, record.routeName);
  number(out, keys.attempts, record.attempts);
  text(out, keys.not_retried, record.notRetried);
  text(out, keys.request_id, record.requestId);
  text(out, keys.trace_id, traceIdOf(record));
  text(out, keys.user_agent, head?.fields.get('user-agent'));
  text(out, keys.x_forwarded_for, head?.fields.get('x-forwarded-for'));
  downstream(out, info);
}

/** Also of one that only passes: callers' traces are found by it where this proxy does not trace. */
export function traceIdOf({ traceId: own, head }: LogRecord): string {
  return own !== '' || head === null ? own : passingTraceId(head.fields);
}

/** Of a connection: nothing of HTTP, and the server name that it asked for. */
function writeConnection(record: LogRecord, out: LineBuffer): void {
  const { info } = record;
  begin(out, record);
  out.raw(',"protocol":"tcp"');
  text(out, keys.flags, record.flag);
  text(out, keys.details, record.details);
  text(out, keys.policy, cut(record.policy));
  text(out, keys.dry_run_denied_by, cut(record.dryRunDeniedBy));
  traffic(out, record);
  text(out, keys.upstream_host, record.upstreamHost);
  text(out, keys.cluster, record.clusterName);
  number(out, keys.attempts, record.attempts);
  text(out, keys.server_name, info.serverName);
  downstream(out, info);
}

function begin(out: LineBuffer, { startWallMs }: LogRecord): void {
  out.raw('{"start_time":"');
  out.raw(startTime(startWallMs));
  out.raw('"');
}

function traffic(out: LineBuffer, { bytesReceived, bytesSent, durationMs }: LogRecord): void {
  number(out, keys.bytes_received, bytesReceived);
  number(out, keys.bytes_sent, bytesSent);
  out.constant(keys.duration_ms);
  out.decimal(durationMs);
}

function downstream(out: LineBuffer, { remoteAddress, peer, localAddress, listenerName }: LogRecord['info']): void {
  out.constant(keys.downstream_remote);
  out.quoted(remoteAddress);
  text(out, keys.downstream_peer, peer?.uris.join(','));
  out.constant(keys.downstream_local);
  out.quoted(localAddress);
  out.constant(keys.listener);
  out.quoted(listenerName);
  out.raw('}');
}

function number(out: LineBuffer, name: Uint8Array, value: number): void {
  out.constant(name);
  out.number(value);
}

/** Null where there is nothing to say. */
function text(out: LineBuffer, name: Uint8Array, value: string | undefined): void {
  out.constant(name);
  if (value === undefined || value === '') out.raw('null');
  else out.quoted(value);
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
