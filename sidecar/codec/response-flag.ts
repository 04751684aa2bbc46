/**
 * Envoy's response flags (`%RESPONSE_FLAGS%`) that this proxy writes, and two of its own (CB, FB). The one list: docs/response-flags.md is made of it (print-response-flags.ts), and a test provokes each. The data path knows
 * only the letters (`ResponseFlag` is a type); nothing here is looked up while requests go by.
 */

export interface FlagFacts {
  readonly meaning: string;
  /** What the flag can be of. A connection is one that was proxied as TCP. */
  readonly of: 'requests' | 'connections' | 'both';
  /** Of the answer that is made up; null: there is none, or it is somebody else's. */
  readonly status: number | null;
  /** The same for gRPC callers. */
  readonly grpcStatus: number | null;
  /** More about the two, '' where there is none. */
  readonly answer: string;
  readonly provokedBy: string;
  readonly next: string;
}

export const responseFlags = {
  UH: {
    meaning: 'no healthy upstream: the cluster has no host that may be asked',
    of: 'both',
    status: 503,
    grpcStatus: 14,
    answer: '',
    provokedBy: 'a Service without endpoints, or all of them failed health checks or ejected (with panic routing off)',
    next: 'outrigger get endpoints; hosts and their health at /clusters of the sidecar',
  },
  UF: {
    meaning: 'upstream connection failure: no connection to the host could be made',
    of: 'both',
    status: 503,
    grpcStatus: 14,
    answer: '',
    provokedBy:
      'nobody listens there, the connect timeout, or a TLS handshake in which the host is not who it should be',
    next: 'the message says which; is the instance up, and is its port the one of the Service? outrigger identity show, where TLS is to blame',
  },
  UO: {
    meaning: 'overflow: a limit on what may be in flight is reached',
    of: 'both',
    status: 503,
    grpcStatus: 14,
    answer:
      'marked `x-envoy-overloaded`; as a second flag: a retry had no place, and the answer is that of the last attempt',
    provokedBy:
      'a bulkhead (`connections`, `pending`, `requests` of a TrafficPolicy), inbound limits, or a retry beyond the retry budget',
    next: 'is the service slow, or the limit too low? outrigger stats --filter upstream_rq_pending_overflow; limits are in its TrafficPolicy',
  },
  UC: {
    meaning: 'the upstream closed the connection before its response was whole',
    of: 'both',
    status: 503,
    grpcStatus: 14,
    answer: 'once the response had begun, it is cut',
    provokedBy: 'an instance that crashed or was stopped, or closes its connections while one is being used',
    next: "the instance's own log; whether it restarts; its idle timeout, where it happens on quiet connections",
  },
  UR: {
    meaning: 'the upstream reset the stream (HTTP/2) or the connection (TCP)',
    of: 'both',
    status: 503,
    grpcStatus: 14,
    answer: 'once the response had begun, it is cut',
    provokedBy: 'RST_STREAM of the service (its code is in the details), or a connection it reset',
    next: "the instance's own log; REFUSED_STREAM means that it takes no more streams",
  },
  UT: {
    meaning: 'the upstream did not answer in time',
    of: 'requests',
    status: 504,
    grpcStatus: 4,
    answer: '',
    provokedBy: "the route's timeout, a try's own (`perTryTimeout`), or the deadline that the caller gave",
    next: 'outrigger explain REQUEST-ID says where the time went; the limit is in the route or its TrafficPolicy',
  },
  URX: {
    meaning: 'the retries are used up',
    of: 'both',
    status: null,
    grpcStatus: null,
    answer: 'that of the last attempt; stands before its flag',
    provokedBy: 'a retry policy whose every attempt failed; of TCP, `max_connect_attempts`',
    next: 'the flag beside it, or the status, is why each attempt failed',
  },
  UPE: {
    meaning: 'the upstream broke the protocol',
    of: 'requests',
    status: 502,
    grpcStatus: 14,
    answer: 'once the response had begun, it is cut',
    provokedBy: 'bytes that are no HTTP response, a head that is ambiguous or too long, frames against RFC 9113',
    next: "is the port's appProtocol right (http, http2, grpc)? The details name the rule that it broke",
  },
  UMSDR: {
    meaning: 'the stream took longer than a stream may',
    of: 'requests',
    status: 504,
    grpcStatus: 4,
    answer: '408 when the request was not whole yet',
    provokedBy: '`max_stream_duration` of route, listener or cluster, or a `grpc-timeout`',
    next: 'a longer limit for what streams; outrigger explain REQUEST-ID says where the time went',
  },
  NR: {
    meaning: 'no route: nothing says where this should go',
    of: 'both',
    status: 404,
    grpcStatus: 12,
    answer: 'of connections: reset',
    provokedBy:
      'a Host that no Service has, a path that no rule matches; of connections, a place that no filter chain takes',
    next: 'outrigger get services, outrigger get routes; a Host has to be the name of a Service',
  },
  NC: {
    meaning: 'no cluster: the route names one that is not there',
    of: 'both',
    status: 503,
    grpcStatus: 14,
    answer: 'of connections: reset',
    provokedBy: 'a bootstrap or control plane whose route names a cluster that it did not send',
    next: 'outrigger config PROXY; outrigger status says whether clusters were refused',
  },
  DC: {
    meaning: 'the caller went away',
    of: 'requests',
    status: null,
    grpcStatus: null,
    answer: 'nobody is there to be answered; 499 in log and metrics',
    provokedBy:
      'a caller that reset its stream (HTTP/2), or closed its connection, often as its own timeout is shorter than the answer takes; not an HTTP/1 caller that closes while its answer is awaited: that cannot be told from half-close, so its request goes on and is told by what came of it, also as a success',
    next: "the caller's timeout; how long the service took is the log's duration",
  },
  DPE: {
    meaning: 'the caller broke the protocol',
    of: 'requests',
    status: 400,
    grpcStatus: 13,
    answer: 'also 408, 413, 417, 426, 431, 501, 505, as the fault is; HTTP/2: the stream or connection ends',
    provokedBy: 'a head that is malformed, ambiguous or too long, or a request that does not come whole in time',
    next: 'the details name the rule that it broke',
  },
  DT: {
    meaning: 'the connection lasted as long as a connection may',
    of: 'connections',
    status: null,
    grpcStatus: null,
    answer: 'it is closed',
    provokedBy: '`max_downstream_connection_duration` of a TCP proxy',
    next: 'a longer limit, or a caller that connects again',
  },
  LR: {
    meaning: 'this sidecar ended it',
    of: 'both',
    status: 503,
    grpcStatus: 14,
    answer: 'once the response had begun, it is cut; of connections: closed',
    provokedBy:
      'a sidecar that stops, a listener that changed and whose drain time is over, a connection that made room for others',
    next: 'the details say which; a longer drain time, where a roll-out is to blame',
  },
  SI: {
    meaning: 'the stream was idle for too long',
    of: 'requests',
    status: 504,
    grpcStatus: 4,
    answer: '408 when the request was not whole yet; once the response had begun, it is cut',
    provokedBy: '`stream_idle_timeout`: nothing went in either direction',
    next: 'who stopped sending? A longer idle timeout for streams that rest',
  },
  CB: {
    meaning: 'a circuit breaker is open (ours)',
    of: 'requests',
    status: 503,
    grpcStatus: 14,
    answer: '`retry-after` until the next probe',
    provokedBy:
      'a TrafficPolicy with a circuitBreaker, whose limit of failed or slow calls was reached; or an operator',
    next: 'the failures that opened it: outrigger breaker list --all, and the log lines before it',
  },
  DI: {
    meaning: 'delayed on purpose',
    of: 'requests',
    status: null,
    grpcStatus: null,
    answer: 'that of the service, late',
    provokedBy: 'a FaultPolicy (or Envoy fault filter) with a delay',
    next: 'the policy is in the log; outrigger get policies',
  },
  FI: {
    meaning: 'failed on purpose',
    of: 'requests',
    status: 503,
    grpcStatus: 14,
    answer: 'or the status that the policy says',
    provokedBy: 'a FaultPolicy (or Envoy fault filter) with an abort',
    next: "the answer's rule is the policy; outrigger get policies",
  },
  RL: {
    meaning: 'rate limited',
    of: 'requests',
    status: 429,
    grpcStatus: 14,
    answer: '`retry-after`; gRPC 8 where the policy says so',
    provokedBy: 'a RateLimitPolicy, local or global, with no tokens left',
    next: "the answer's rule is the policy; who calls so often is outrigger_requests_total by source",
  },
  RLSE: {
    meaning: 'the rate limit service could not be asked, and that denies',
    of: 'requests',
    status: 500,
    grpcStatus: 2,
    answer: 'only with `failure_mode_deny`',
    provokedBy: 'a rate limit service that is down or slow',
    next: 'the message says what became of the call; outrigger check, where it is our control plane',
  },
  RBAC: {
    meaning: 'refused by a rule about who may call what',
    of: 'both',
    status: 403,
    grpcStatus: 7,
    answer: 'of connections: closed',
    provokedBy: 'an AuthorizationPolicy, or a caller without an identity where one is wanted',
    next: "the answer's rule is the policy; outrigger get policies, and the caller's identity in the log",
  },
  UAEX: {
    meaning: 'refused for want of a good token, or by an authorization service',
    of: 'requests',
    status: 403,
    grpcStatus: 7,
    answer: '401 (gRPC 16) for a token that is missing or bad; a service may answer itself',
    provokedBy: 'a RequestAuthentication, or an external authorization that says no or cannot be asked',
    next: 'the message says what is wrong with the token, or what became of the call',
  },
  FB: {
    meaning: 'answered by a fallback (ours)',
    of: 'requests',
    status: null,
    grpcStatus: null,
    answer: "the fallback's; stands behind the flag of the failure",
    provokedBy: 'a TrafficPolicy with a fallback, when the service failed',
    next: 'the flag before it is why the service failed',
  },
} as const satisfies Readonly<Record<string, FlagFacts>>;

/** One flag; '' when none applies. In logs and metrics several stand with commas: `URX,UF`. */
export type ResponseFlag = '' | keyof typeof responseFlags;
