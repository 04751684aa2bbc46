/**
 * The spans of a request that has ended, made of its record: one of the request at this hop, and one of each attempt. Names and attributes are OpenTelemetry's semantic conventions for HTTP and gRPC; what they have no word for is
 * `outrigger.…`, or Envoy's tag where it has one (`guid:x-request-id`, `upstream_cluster`).
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { CustomTagConfig, TracingConfig } from '../config/tracing-config.ts';
import { isHarmless, type RecordedAttempt, type RequestRecord } from '../recorder/request-record.ts';
import type { RequestTrace } from './request-trace.ts';
import type { Span, SpanAttribute, SpanEvent } from './span.ts';
import { newSpanId } from './trace-ids.ts';

/** What spans say beyond the record. */
export interface TracedRequest {
  readonly head: RequestHead;
  readonly version: string;
  readonly grpc: boolean;
}

type SpanConfig = Pick<TracingConfig, 'spawnUpstreamSpan' | 'maxPathTagLength' | 'verbose'>;

/** `http.request.method` has these and `_OTHER` (semantic conventions for HTTP). */
const knownMethods: ReadonlySet<string> = new Set([
  ...['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE'],
]);
/** gRPC statuses that are a server's error (semantic conventions for gRPC): unknown, deadline, unimplemented, internal, unavailable, data loss. */
const serverErrors: ReadonlySet<string> = new Set(['2', '4', '12', '13', '14', '15']);
const mostTagLength = 256;

export function requestSpans(
  record: RequestRecord,
  request: TracedRequest,
  trace: RequestTrace,
  config: SpanConfig,
  customTags: readonly CustomTagConfig[],
): Span[] {
  const { startedWallMs, durationMs, attempts } = record;
  const perAttempt = config.spawnUpstreamSpan;
  const common = commonAttributes(record, request);
  const own: SpanAttribute[] = [
    ...common,
    ...requestAttributes(record, request, config),
    ...(perAttempt ? [] : upstreamAttributes(record, attempts.at(-1))),
    ...tagAttributes(customTags, request.head.fields),
  ];
  const failed = isFailed(record.status, record.grpcStatus, record.flags, true);
  if (failed) own.push(['error.type', errorType(record.status, record.grpcStatus, record.flags)]);
  const name = spanName(record, request);
  const spans: Span[] = [
    {
      traceId: record.traceId,
      traceState: trace.traceState,
      spanId: record.spanId,
      parentSpanId: record.parentSpanId,
      name,
      // Without spans of attempts, that of a request which goes out is what calls the next service (Envoy).
      kind: !perAttempt && record.direction === 'outbound' ? 'client' : 'server',
      startWallMs: startedWallMs,
      endWallMs: startedWallMs + durationMs,
      attributes: own,
      events: eventsOf(record, perAttempt, config.verbose),
      failed,
      statusMessage: failed ? record.details : '',
    },
  ];
  if (!perAttempt) return spans;
  for (let resent = 0; resent < attempts.length; resent++)
    spans.push(attemptSpan(record, request, trace, common, name, attempts[resent]!, resent, config));
  return spans;
}

function attemptSpan(
  record: RequestRecord,
  request: TracedRequest,
  trace: RequestTrace,
  common: readonly SpanAttribute[],
  name: string,
  attempt: RecordedAttempt,
  resent: number,
  config: SpanConfig,
): Span {
  const { startedWallMs, durationMs } = record;
  // Of the attempt whose answer the caller got, the call's status is known.
  const isLast = attempt === record.attempts.at(-1);
  const grpcStatus = isLast && attempt.status !== 0 ? record.grpcStatus : '';
  const failed = isFailed(attempt.status, grpcStatus, attempt.flag, false) && attempt.details !== notWanted;
  const attributes: SpanAttribute[] = [
    ...common,
    ['url.full', `${request.head.scheme}://${record.authority}${cut(record.path, config.maxPathTagLength)}`],
    ...upstreamAttributes(record, attempt),
    ['outrigger.attempt.why', attempt.why],
    ['outrigger.connection.reused', attempt.reused],
  ];
  if (attempt.status !== 0) attributes.push(['http.response.status_code', attempt.status]);
  if (grpcStatus !== '') attributes.push(['rpc.grpc.status_code', Number(grpcStatus)]);
  if (resent > 0) attributes.push(['http.request.resend_count', resent]);
  if (attempt.flag !== '') attributes.push(['outrigger.flags', attempt.flag]);
  if (failed) attributes.push(['error.type', errorType(attempt.status, grpcStatus, attempt.flag)]);
  const endedMs = attempt.endedMs < 0 ? durationMs : attempt.endedMs;
  return {
    traceId: record.traceId,
    traceState: trace.traceState,
    // One that had no connection sent nothing that could carry an id.
    spanId: attempt.spanId === '' ? newSpanId() : attempt.spanId,
    parentSpanId: record.spanId,
    name,
    kind: 'client',
    startWallMs: startedWallMs + attempt.startedMs,
    endWallMs: startedWallMs + endedMs,
    attributes,
    events: config.verbose ? timeEvents(startedWallMs, attemptTimes(attempt)) : [],
    failed,
    statusMessage: failed ? attempt.details : '',
  };
}

/** Of an attempt that another took the place of (router-faults.ts): that is no error. */
const notWanted = 'attempt_not_wanted';

function commonAttributes(record: RequestRecord, { head, version, grpc }: TracedRequest): SpanAttribute[] {
  const attributes: SpanAttribute[] = [];
  if (knownMethods.has(record.method)) attributes.push(['http.request.method', record.method]);
  else attributes.push(['http.request.method', '_OTHER'], ['http.request.method_original', record.method]);
  addAddress(attributes, 'server.address', 'server.port', record.authority);
  attributes.push(['network.protocol.name', 'http'], ['network.protocol.version', version]);
  if (grpc) {
    const [, service = '', method = ''] = /^\/(.+)\/([^/]+)/.exec(withoutQuery(head.path)) ?? [];
    attributes.push(['rpc.system', 'grpc'], ['rpc.service', service], ['rpc.method', method]);
  }
  return attributes;
}

function requestAttributes(record: RequestRecord, { head }: TracedRequest, config: SpanConfig): SpanAttribute[] {
  const attributes: SpanAttribute[] = [];
  const add = (name: string, value: string): void => {
    if (value !== '') attributes.push([name, value]);
  };
  const query = record.path.indexOf('?');
  attributes.push(['url.scheme', head.scheme]);
  add('url.path', cut(withoutQuery(record.path), config.maxPathTagLength));
  if (query >= 0) add('url.query', cut(record.path.slice(query + 1), config.maxPathTagLength));
  addAddress(attributes, 'client.address', 'client.port', record.remoteAddress);
  add('user_agent.original', cut(head.fields.get('user-agent') ?? '', mostTagLength));
  attributes.push(['http.response.status_code', record.status]);
  if (record.grpcStatus !== '') attributes.push(['rpc.grpc.status_code', Number(record.grpcStatus)]);
  add('guid:x-request-id', record.requestId);
  add('outrigger.direction', record.direction);
  add('outrigger.source', record.source);
  add('outrigger.destination', record.destination);
  add('outrigger.route', record.route);
  add('outrigger.flags', record.flags);
  add('outrigger.details', record.details);
  add('outrigger.rule', record.rule);
  add('outrigger.peer.identity', record.peerIdentity);
  add('outrigger.node', record.nodeId);
  attributes.push(['outrigger.request.bytes', record.bytesReceived], ['outrigger.response.bytes', record.bytesSent]);
  return attributes;
}

function upstreamAttributes(record: RequestRecord, attempt: RecordedAttempt | undefined): SpanAttribute[] {
  const attributes: SpanAttribute[] = [];
  const cluster = attempt === undefined ? record.cluster : attempt.cluster;
  if (cluster !== '') attributes.push(['upstream_cluster', cluster]);
  if (attempt === undefined || attempt.host === '') return attributes;
  addAddress(attributes, 'network.peer.address', 'network.peer.port', attempt.host);
  if (attempt.zone !== '') attributes.push(['outrigger.zone', attempt.zone]);
  return attributes;
}

/** `ip:port`, `[ip]:port` or a name without a port. */
function addAddress(attributes: SpanAttribute[], address: string, port: string, text: string): void {
  if (text === '') return;
  const colon = text.lastIndexOf(':');
  const number = colon < 0 ? -1 : portNumber(text, colon + 1);
  const host = number < 0 ? text : text.slice(0, colon);
  attributes.push([address, host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host]);
  if (number >= 0) attributes.push([port, number]);
}

/** -1: what follows is no port. */
function portNumber(text: string, start: number): number {
  if (start === text.length || text.length - start > 5) return -1;
  let number = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function tagAttributes(tags: readonly CustomTagConfig[], fields: HeaderFields): SpanAttribute[] {
  const attributes: SpanAttribute[] = [];
  for (const tag of tags) {
    const value = tag.kind === 'literal' ? tag.value : (fields.get(tag.name) ?? tag.defaultValue);
    if (value !== '') attributes.push([tag.tag, cut(value, mostTagLength)]);
  }
  return attributes;
}

/** Few names, whatever callers ask for: the gRPC method only where a route takes it, else the method and the route. */
function spanName({ method, route }: RequestRecord, { head, grpc }: TracedRequest): string {
  if (grpc && route !== '') return cut(withoutQuery(head.path).slice(1), mostTagLength);
  const shown = knownMethods.has(method) ? method : 'HTTP';
  return route === '' ? shown : `${shown} ${route}`;
}

/** `served`: seen from the side that is called, to which a caller's mistake is no error. */
function isFailed(status: number, grpcStatus: string, flags: string, served: boolean): boolean {
  if (!isHarmless(flags)) return true;
  if (grpcStatus !== '' && grpcStatus !== '0') return !served || serverErrors.has(grpcStatus);
  return status >= (served ? 500 : 400);
}

function errorType(status: number, grpcStatus: string, flags: string): string {
  if (!isHarmless(flags)) return flags;
  return grpcStatus === '' || grpcStatus === '0' ? String(status) : grpcStatus;
}

/** Without spans of their own, attempts beyond the first are events of the request's span. */
function eventsOf(record: RequestRecord, perAttempt: boolean, verbose: boolean): SpanEvent[] {
  const { startedWallMs, phases, attempts } = record;
  const events: SpanEvent[] = [];
  if (!perAttempt && attempts.length > 1)
    for (const attempt of attempts)
      events.push({
        atWallMs: startedWallMs + attempt.startedMs,
        name: 'attempt',
        attributes: [
          ['outrigger.attempt.why', attempt.why],
          ['outrigger.host', attempt.host],
          ['http.response.status_code', attempt.status],
          ['outrigger.flags', attempt.flag],
        ],
      });
  if (verbose)
    events.push(
      ...timeEvents(startedWallMs, [
        ['admitted', phases.admittedMs],
        ['request_whole', phases.requestWholeMs],
        ['first_byte', phases.firstByteMs],
      ]),
    );
  return events.length < 2 ? events : events.toSorted((a, b) => a.atWallMs - b.atWallMs);
}

type NamedTime = readonly [name: string, ms: number];

function attemptTimes({ sentMs, firstByteMs }: RecordedAttempt): NamedTime[] {
  return [
    ['sent', sentMs],
    ['first_byte', firstByteMs],
  ];
}

function timeEvents(startedWallMs: number, times: readonly NamedTime[]): SpanEvent[] {
  return times
    .filter(([, ms]) => ms >= 0)
    .map(([name, ms]) => ({ atWallMs: startedWallMs + ms, name, attributes: [] }));
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

function cut(text: string, most: number): string {
  return text.length > most ? text.slice(0, most) : text;
}
