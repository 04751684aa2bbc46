/**
 * Header names, interned: one object per spelling, so that HTTP/1.1 keeps the case that a peer wrote
 * while everything else compares the lower-case form. Not a list of headers; see header-fields.ts.
 */

/**
 * Names that codecs and the connection manager must know: a number each, so that a switch over the fields of a message costs no string comparison.
 * 0 is every other name.
 */
export const wellKnown = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  upgrade: 8,
  trailer: 9,
  expect: 10,
  cookie: 11,
  http2Settings: 12,
} as const;

const wellKnownNames: Readonly<Record<string, number>> = Object.assign(Object.create(null) as Record<string, number>, {
  host: wellKnown.host,
  'content-length': wellKnown.contentLength,
  'transfer-encoding': wellKnown.transferEncoding,
  connection: wellKnown.connection,
  'keep-alive': wellKnown.keepAlive,
  'proxy-connection': wellKnown.proxyConnection,
  te: wellKnown.te,
  upgrade: wellKnown.upgrade,
  trailer: wellKnown.trailer,
  expect: wellKnown.expect,
  cookie: wellKnown.cookie,
  'http2-settings': wellKnown.http2Settings,
});

/**
 * Names that the connection manager and the router look for beyond the codecs' own: a number each, so that one walk over a head finds them all. 0 is every
 * other name; `retryControl` what callers ask of retries; `traceContext` where traces come from (tracing/trace-context.ts); `envoyControl` every other `x-envoy-…`, `outriggerControl` every `x-outrigger-…`.
 */
export const headerRole = {
  none: 0,
  requestId: 1,
  forwardedFor: 2,
  forwardedProto: 3,
  forwardedClientCert: 4,
  internal: 5,
  expectedTimeout: 6,
  upstreamTimeout: 7,
  envoyControl: 8,
  outriggerControl: 9,
  contentType: 10,
  grpcTimeout: 11,
  server: 12,
  upstreamServiceTime: 13,
  grpcStatus: 14,
  retryControl: 15,
  traceContext: 16,
} as const;

const roleNames: Readonly<Record<string, number>> = Object.assign(Object.create(null) as Record<string, number>, {
  'x-request-id': headerRole.requestId,
  'x-forwarded-for': headerRole.forwardedFor,
  'x-forwarded-proto': headerRole.forwardedProto,
  'x-forwarded-client-cert': headerRole.forwardedClientCert,
  'x-envoy-internal': headerRole.internal,
  'x-envoy-expected-rq-timeout-ms': headerRole.expectedTimeout,
  'x-envoy-upstream-rq-timeout-ms': headerRole.upstreamTimeout,
  'x-envoy-upstream-service-time': headerRole.upstreamServiceTime,
  'content-type': headerRole.contentType,
  'grpc-timeout': headerRole.grpcTimeout,
  server: headerRole.server,
  'grpc-status': headerRole.grpcStatus,
  'x-envoy-retry-on': headerRole.retryControl,
  'x-envoy-retry-grpc-on': headerRole.retryControl,
  'x-envoy-max-retries': headerRole.retryControl,
  'x-envoy-retriable-status-codes': headerRole.retryControl,
  'x-envoy-retriable-header-names': headerRole.retryControl,
  'x-envoy-upstream-rq-per-try-timeout-ms': headerRole.retryControl,
  'x-envoy-upstream-rq-timeout-alt-response': headerRole.retryControl,
  'x-envoy-hedge-on-per-try-timeout': headerRole.retryControl,
  traceparent: headerRole.traceContext,
  tracestate: headerRole.traceContext,
  b3: headerRole.traceContext,
  'x-b3-traceid': headerRole.traceContext,
  'x-b3-spanid': headerRole.traceContext,
  'x-b3-parentspanid': headerRole.traceContext,
  'x-b3-sampled': headerRole.traceContext,
  'x-b3-flags': headerRole.traceContext,
  'x-client-trace-id': headerRole.traceContext,
});

function roleOf(lower: string): number {
  const role = roleNames[lower];
  if (role !== undefined) return role;
  if (lower.startsWith('x-envoy-')) return headerRole.envoyControl;
  return lower.startsWith('x-outrigger-') ? headerRole.outriggerControl : headerRole.none;
}

/**
 * One spelling of a header name. Get it from {@link headerName}; never construct it elsewhere. Compare `lower`, not objects: a spelling has a second object for fields
 * that must not be indexed.
 */
export class HeaderName {
  /** The spelling that goes on an HTTP/1 wire, as the peer or the configuration wrote it. */
  readonly raw: string;
  /** Lower case; what rules, filters and HTTP/2 see. */
  readonly lower: string;
  /** `CRLF raw: `, what precedes a value in an HTTP/1 head: the encoder writes two strings a field instead of four. */
  readonly wirePrefix: string;
  /** One of {@link wellKnown}. */
  readonly known: number;
  /** One of {@link headerRole}. */
  readonly role: number;
  /**
   * The sender asked every hop not to put the value into a compression table (RFC 7541 7.1.3): HTTP/2 passes it on so. It stands here, and not beside the value, so that
   * messages without such fields pay nothing.
   */
  readonly neverIndexed: boolean;
  #neverIndexedTwin: HeaderName | null = null;

  constructor(raw: string, lower: string, neverIndexed: boolean) {
    this.raw = raw;
    this.lower = lower;
    this.neverIndexed = neverIndexed;
    // join makes a flat string; a template would leave pieces for every writer to gather.
    this.wirePrefix = ['\r\n', raw, ': '].join('');
    this.known = wellKnownNames[lower] ?? wellKnown.other;
    this.role = roleOf(lower);
  }

  /** The same name, for a field whose value must not be indexed. */
  asNeverIndexed(): HeaderName {
    if (this.neverIndexed) return this;
    this.#neverIndexedTwin ??= new HeaderName(this.raw, this.lower, true);
    return this.#neverIndexedTwin;
  }
}

/**
 * Bound on spellings kept for good. A peer that invents names gets short-lived objects after this,
 * so that it cannot grow the table (hardening.md, "resource exhaustion").
 */
const maxInternedNames = 4096;
/** Longer names are not worth keeping: nobody repeats them in honest traffic. */
const maxInternedLength = 64;

const interned = new Map<string, HeaderName>();

/** The name object for a spelling. The caller has checked that it is a token (RFC 9110 5.6.2). */
export function headerName(raw: string): HeaderName {
  const known = interned.get(raw);
  if (known !== undefined) return known;
  const name = new HeaderName(raw, raw.toLowerCase(), false);
  if (raw.length <= maxInternedLength && interned.size < maxInternedNames) interned.set(raw, name);
  return name;
}
