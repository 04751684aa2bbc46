/** What one request was like here, from its head to its end: for the flight recorder, for spans and for who taps. Made once, when it has ended, and only where somebody wants it. `RequestRecord` of proto/outrigger/observe/v1 has the same fields. */

/** Milliseconds since the request's head was read, with a fraction; -1: it did not come so far. */
export interface RecordedPhases {
  /** Its route was known. Read from the clock of the event that brought the head: what takes no waiting takes 0. */
  readonly routedMs: number;
  /** The gates (authorization, limits, faults …) let it pass. */
  readonly admittedMs: number;
  readonly requestWholeMs: number;
  /** The head of what the caller got began to come, or was made up here. */
  readonly firstByteMs: number;
  readonly doneMs: number;
}

export interface RecordedAttempt {
  readonly cluster: string;
  /** `ip:port`; '': no host was chosen. */
  readonly host: string;
  readonly zone: string;
  /** As all times of {@link RecordedPhases}. */
  readonly startedMs: number;
  /** A connection was had, and the request was sent on it. */
  readonly sentMs: number;
  readonly firstByteMs: number;
  readonly endedMs: number;
  /** 0: no answer. */
  readonly status: number;
  readonly flag: string;
  readonly details: string;
  readonly reused: boolean;
  readonly why: 'first' | 'connection' | 'policy' | 'hedge' | 'fallback';
  readonly spanId: string;
}

export interface RecordedPassedOver {
  readonly host: string;
  readonly why: string;
}

/** Why there is a record: '': only because somebody taps, or for its spans. */
export type Kept = 'error' | 'slow' | 'sample' | '';

export interface RequestRecord {
  /** '': it had none. */
  readonly requestId: string;
  /** 32 hexadecimal digits; '': it has no trace. Also of one that passes a proxy which does not trace. */
  readonly traceId: string;
  /** Of this hop; '': it is not traced here. */
  readonly spanId: string;
  readonly parentSpanId: string;
  /** `namespace/service` and node id of this sidecar. */
  readonly service: string;
  readonly nodeId: string;
  readonly direction: 'inbound' | 'outbound' | 'unspecified';
  readonly listener: string;
  readonly startedWallMs: number;
  readonly durationMs: number;
  readonly method: string;
  readonly authority: string;
  /** As received, without the values of parameters that hold secrets; cut at 1024 characters. */
  readonly path: string;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | 'gRPC';
  readonly peerIdentity: string;
  readonly remoteAddress: string;
  /** As in metrics. */
  readonly source: string;
  readonly destination: string;
  readonly route: string;
  /** The one that answered, or was asked last. */
  readonly cluster: string;
  readonly status: number;
  readonly grpcStatus: string;
  /** With commas. */
  readonly flags: string;
  readonly details: string;
  /** What made it fail, held it up or let it pass; ''. */
  readonly rule: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly phases: RecordedPhases;
  readonly attempts: readonly RecordedAttempt[];
  readonly passedOver: readonly RecordedPassedOver[];
  readonly kept: Kept;
  readonly circumstances: readonly string[];
}

/** Flags of what was not failed by it: held up on purpose, answered by a fallback. */
const harmlessFlags: ReadonlySet<string> = new Set(['DI', 'FB']);

/** `flags`: with commas; '' is none. */
export function isHarmless(flags: string): boolean {
  return flags === '' || flags.split(',').every((flag) => harmlessFlags.has(flag));
}

/** As figures of edges, tail sampling and RequestFilter.errors have it: a flag that is not harmless, a status of 500 or more, or a gRPC status other than 0. */
export function isFailure(status: number, grpcStatus: string, flags: string): boolean {
  return !isHarmless(flags) || status >= 500 || (grpcStatus !== '' && grpcStatus !== '0');
}
