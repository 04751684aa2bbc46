/** A record as protobuf's JSON has `outrigger.observe.v1.RequestRecord`: what is empty is left out, times are RFC 3339 and seconds, 64-bit numbers are text. */
import type { RecordedAttempt, RecordedPhases, RequestRecord } from './request-record.ts';

type Json = Readonly<Record<string, unknown>>;

export function recordJson(record: RequestRecord): Json {
  return filled({
    requestId: record.requestId,
    traceId: record.traceId,
    spanId: record.spanId,
    parentSpanId: record.parentSpanId,
    service: record.service,
    nodeId: record.nodeId,
    direction: record.direction,
    listener: record.listener,
    started: new Date(record.startedWallMs).toISOString().replace('.000Z', 'Z'),
    duration: seconds(record.durationMs),
    method: record.method,
    authority: record.authority,
    path: record.path,
    protocol: record.protocol,
    peerIdentity: record.peerIdentity,
    remoteAddress: record.remoteAddress,
    source: record.source,
    destination: record.destination,
    route: record.route,
    cluster: record.cluster,
    status: record.status,
    grpcStatus: record.grpcStatus,
    flags: record.flags,
    details: record.details,
    rule: record.rule,
    bytesReceived: record.bytesReceived === 0 ? '' : String(record.bytesReceived),
    bytesSent: record.bytesSent === 0 ? '' : String(record.bytesSent),
    phases: phasesJson(record.phases),
    attempts: record.attempts.map(attemptJson),
    passedOver: record.passedOver.map(({ host, why }) => ({ host, why })),
    kept: record.kept,
    circumstances: record.circumstances,
  });
}

function phasesJson({ routedMs, admittedMs, requestWholeMs, firstByteMs, doneMs }: RecordedPhases): Json {
  return filled({
    routed: seconds(routedMs),
    admitted: seconds(admittedMs),
    requestWhole: seconds(requestWholeMs),
    firstByte: seconds(firstByteMs),
    done: seconds(doneMs),
  });
}

function attemptJson(attempt: RecordedAttempt): Json {
  const { startedMs, sentMs, firstByteMs, endedMs } = attempt;
  return filled({
    cluster: attempt.cluster,
    host: attempt.host,
    zone: attempt.zone,
    started: seconds(startedMs),
    sent: seconds(sentMs),
    firstByte: seconds(firstByteMs),
    ended: seconds(endedMs),
    status: attempt.status,
    flag: attempt.flag,
    details: attempt.details,
    reused: attempt.reused,
    why: attempt.why,
    spanId: attempt.spanId,
  });
}

/** A protobuf Duration; '': it did not come so far. */
function seconds(ms: number): string {
  if (ms < 0) return '';
  const micros = Math.round(ms * 1_000);
  const rest = micros % 1_000_000;
  const whole = Math.floor(micros / 1_000_000);
  if (rest === 0) return `${whole}s`;
  const digits = String(rest).padStart(6, '0');
  // Three digits or six, as protobuf writes them.
  return `${whole}.${digits.endsWith('000') ? digits.slice(0, 3) : digits}s`;
}

function filled(fields: Json): Json {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== '' && value !== 0 && value !== false && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
