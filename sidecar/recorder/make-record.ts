/** A request that has ended → its record. The only place that looks at how hosts are: of requests without a record nobody asks. */
import { hideParameters } from '../access-log/hidden-parameters.ts';
import { breakerLine } from '../circuit-breaker/breaker-status.ts';
import type { ClusterSituation } from '../cluster/upstream.ts';
import type { RequestHead } from '../codec/message-head.ts';
import { type AnsweredOutOfTime, overLimitSetBy } from '../router/limit-setter.ts';
import type { RouteEntry } from '../router/route-entry.ts';
import type { UpstreamRequest } from '../router/upstream-request.ts';
import { passingTraceId } from '../tracing/trace-context.ts';
import { ownCopy } from './own-copy.ts';
import {
  isFailure,
  type Kept,
  type RecordedAttempt,
  type RecordedPassedOver,
  type RequestRecord,
} from './request-record.ts';

/** What a record needs of a stream; implemented by ActiveStream. */
export interface RecordedStream extends AnsweredOutOfTime {
  readonly head: RequestHead;
  readonly originalPath: string;
  readonly version: string;
  readonly grpc: boolean;
  readonly requestId: string;
  readonly status: number;
  readonly flag: string;
  readonly details: string;
  readonly grpcStatus: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly route: Pick<RouteEntry, 'name' | 'breaker' | 'config' | 'forward'> | null;
  readonly target: { readonly name: string } | null;
  readonly policy: string;
  readonly decidedBy: string;
  readonly trace: { readonly traceId: string; readonly spanId: string; readonly parentSpanId: string } | null;
  /** Moments on the clock; -1: not so far. */
  readonly startMs: number;
  readonly admittedMs: number;
  readonly requestWholeMs: number;
  readonly firstByteMs: number;
  readonly responseHead: object | null;
  readonly lastAttempt: UpstreamRequest | null;
}

/** What is the same for all requests of a connection, and for all of a connection manager. */
export interface RecordContext {
  readonly service: string;
  readonly nodeId: string;
  readonly direction: RequestRecord['direction'];
  readonly listener: string;
  readonly peerIdentity: string;
  readonly remoteAddress: string;
  readonly source: string;
  readonly destination: string;
  /** Parameters whose values are hidden, in lower case. */
  readonly hidden: ReadonlySet<string>;
}

const mostPathLength = 1024;
const mostNameLength = 256;
/** Of more, those in the middle are left out. */
const mostAttempts = 24;
const mostPassedOver = 32;

/** `stays`: somebody may keep it, so that it is whole and holds on to nothing but itself. Else it is for the spans alone, which are made at once and say nothing of how hosts are. */
export function makeRecord(
  stream: RecordedStream,
  context: RecordContext,
  kept: Kept,
  endMs: number,
  endWallMs: number,
  stays: boolean,
): RequestRecord {
  const { startMs, head, trace } = stream;
  const durationMs = rounded(endMs - startMs);
  const attempts = attemptsOf(stream.lastAttempt, startMs, stays);
  const failed = isFailure(stream.status, stream.grpcStatus, stream.flag);
  const situations = stays ? situationsOf(stream.lastAttempt, endMs) : nothing;
  const own = stays ? ownCopy : cutTo;
  const since = (momentMs: number): number => (momentMs < 0 ? -1 : rounded(momentMs - startMs));
  return Object.freeze({
    requestId: own(stream.requestId, mostNameLength),
    traceId: own(trace === null ? passingTraceId(head.fields) : trace.traceId, 32),
    spanId: trace === null ? '' : own(trace.spanId, 16),
    parentSpanId: trace === null ? '' : own(trace.parentSpanId, 16),
    service: context.service,
    nodeId: context.nodeId,
    direction: context.direction,
    listener: context.listener,
    startedWallMs: endWallMs - durationMs,
    durationMs,
    method: own(head.method, 32),
    authority: own(head.authority, mostNameLength),
    path: own(hideParameters(stream.originalPath.slice(0, 2 * mostPathLength), context.hidden), mostPathLength),
    protocol: stream.grpc
      ? 'gRPC'
      : stream.version === '2'
        ? 'HTTP/2'
        : stream.version === '1.0'
          ? 'HTTP/1.0'
          : 'HTTP/1.1',
    peerIdentity: own(context.peerIdentity, mostNameLength),
    remoteAddress: context.remoteAddress,
    source: context.source,
    destination: context.destination,
    route: stream.route === null ? '' : stream.route.name,
    cluster: stream.target === null ? '' : stream.target.name,
    status: stream.status,
    grpcStatus: stream.grpcStatus,
    flags: stream.flag,
    details: own(stream.details, mostNameLength),
    rule: ruleOf(stream, endMs),
    bytesReceived: stream.bytesReceived,
    bytesSent: stream.bytesSent,
    phases: Object.freeze({
      routedMs: stream.route === null ? -1 : 0,
      admittedMs: since(stream.admittedMs),
      requestWholeMs: since(stream.requestWholeMs),
      // What is made up here begins when it is done.
      firstByteMs: stream.firstByteMs < 0 && stream.responseHead !== null ? durationMs : since(stream.firstByteMs),
      doneMs: durationMs,
    }),
    attempts: Object.freeze(attempts),
    passedOver: stays ? Object.freeze(passedOver(attempts, situations)) : nothing,
    kept,
    circumstances: stays && failed ? Object.freeze(circumstancesOf(stream, situations)) : nothing,
  });
}

const nothing: readonly never[] = Object.freeze([]);

function cutTo(text: string, most: number): string {
  return text.length > most ? text.slice(0, most) : text;
}

/** Microseconds are as fine as anybody looks. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

function attemptsOf(last: UpstreamRequest | null, startMs: number, stays: boolean): RecordedAttempt[] {
  let all: UpstreamRequest[] = [];
  for (let attempt = last; attempt !== null; attempt = attempt.previous) all.push(attempt);
  all.reverse();
  if (all.length > mostAttempts) all = [...all.slice(0, mostAttempts / 2), ...all.slice(-mostAttempts / 2)];
  const own = stays ? ownCopy : cutTo;
  const since = (momentMs: number): number => (momentMs < 0 ? -1 : rounded(momentMs - startMs));
  return all.map((attempt) => {
    const host = attempt.chosenHost;
    const { failure } = attempt;
    return Object.freeze({
      cluster: attempt.cluster.config.name,
      host: host === null ? '' : host.address,
      zone: host === null ? '' : (host.zone ?? ''),
      startedMs: since(attempt.startMs),
      sentMs: since(attempt.sentMs),
      firstByteMs: since(attempt.firstByteMs),
      endedMs: since(attempt.endedMs),
      status: attempt.status,
      flag: failure === null ? '' : failure.flag,
      details: failure === null ? '' : own(failure.details, mostNameLength),
      reused: attempt.reused,
      why: attempt.why,
      spanId: own(attempt.spanId, 16),
    });
  });
}

/** Of each cluster that was asked. */
function situationsOf(last: UpstreamRequest | null, nowMs: number): ClusterSituation[] {
  const seen: UpstreamRequest['cluster'][] = [];
  const situations: ClusterSituation[] = [];
  for (let attempt = last; attempt !== null; attempt = attempt.previous) {
    const { cluster } = attempt;
    if (seen.includes(cluster)) continue;
    seen.push(cluster);
    const situation = cluster.situation?.(nowMs);
    if (situation !== undefined) situations.push(situation);
  }
  return situations;
}

/** Hosts that fail are no news where the request has just made them so: that one was asked, which its attempt says. */
function passedOver(
  attempts: readonly RecordedAttempt[],
  situations: readonly ClusterSituation[],
): RecordedPassedOver[] {
  const found = situations.flatMap((situation) => situation.passedOver);
  const last = attempts.at(-1)?.host ?? '';
  const named = new Set(found.map(({ host }) => host));
  for (const { host } of attempts) {
    if (host === '' || host === last || named.has(host)) continue;
    named.add(host);
    found.push({ host, why: 'tried before' });
  }
  return found.slice(0, mostPassedOver);
}

function circumstancesOf(
  { route, policy, details }: RecordedStream,
  situations: readonly ClusterSituation[],
): string[] {
  const circumstances = situations.flatMap((situation) => situation.circumstances);
  const { backend = '', missing = '' } = route?.config.setBy ?? {};
  // A limit may be of the same route.
  const nowhere = details === 'cluster_not_found' || details === 'direct_response';
  if (nowhere && missing !== '' && backend !== '' && policy === backend) circumstances.unshift(missing);
  if (route !== null && route.breaker !== null && route.breaker.machine.state !== 'closed')
    circumstances.unshift(`${route.breaker.title}: ${breakerLine(route.breaker.status())}`);
  return circumstances;
}

/** As the access log says it: what refused it; else the rules that let it pass, or an outside service that was asked. And, beyond the log, who set a time limit that was over when the answer said so. */
function ruleOf(stream: RecordedStream, endMs: number): string {
  const { flag, policy, decidedBy, status, grpcStatus } = stream;
  if (flag === '' && (status === 504 || grpcStatus === '4')) {
    const setBy = overLimitSetBy(stream, endMs);
    if (setBy !== '') return setBy;
  }
  if (decidedBy !== '' && (flag === 'UAEX' || policy === '' || policy === 'none')) return decidedBy;
  return policy === 'none' ? '' : policy;
}
