/** Our own access log line: JSON with every field that `explain` needs, always the same fields in the same order; null where there is nothing to say. */
import { quoteJson } from './escape.ts';
import type { LogRecord } from './log-record.ts';

const maxPolicyName = 256;

export function defaultLine(record: LogRecord): string {
  const { head } = record;
  return (
    `{"start_time":"${new Date(record.startWallMs).toISOString()}"` +
    `,"method":${orNull(head?.method)},"path":${orNull(record.originalPath)},"authority":${orNull(head?.authority)},"protocol":${orNull(record.protocol)}` +
    `,"status":${record.status},"flags":${orNull(record.flag)},"details":${orNull(record.details)},"grpc_status":${record.grpcStatus === '' ? 'null' : record.grpcStatus}` +
    `,"policy":${policyOrNull(deciding(record))},"dry_run_denied_by":${policyOrNull(record.dryRunDeniedBy)}` +
    `,"bytes_received":${record.bytesReceived},"bytes_sent":${record.bytesSent},"duration_ms":${Math.round(record.durationMs * 1000) / 1000}` +
    `,"upstream_service_time_ms":${record.upstreamServiceTimeMs < 0 ? 'null' : record.upstreamServiceTimeMs},"upstream_host":${orNull(record.upstreamHost)}` +
    `,"cluster":${orNull(record.clusterName)},"route":${orNull(record.routeName)},"attempts":${record.attempts},"request_id":${orNull(record.requestId)}` +
    `,"user_agent":${orNull(head?.fields.get('user-agent'))},"x_forwarded_for":${orNull(head?.fields.get('x-forwarded-for'))}` +
    `,"downstream_remote":${quoteJson(record.remoteAddress)},"downstream_peer":${orNull(record.peerUri)},"downstream_local":${quoteJson(record.localAddress)},"listener":${quoteJson(record.listenerName)}}`
  );
}

/** What refused the request; else what let it pass: rules that say so, then an outside service that was asked, then that no rule matched. */
function deciding({ flag, policy, decidedBy }: LogRecord): string {
  if (decidedBy === '') return policy;
  return flag === 'UAEX' || policy === '' || policy === 'none' ? decidedBy : policy;
}

/** Names come from the configuration, and one line must not become as long as it likes. */
function policyOrNull(name: string): string {
  return orNull(name.length > maxPolicyName ? `${name.slice(0, maxPolicyName)}…` : name);
}

function orNull(text: string | undefined): string {
  return text === undefined || text === '' ? 'null' : quoteJson(text);
}
