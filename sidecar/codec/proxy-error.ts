/**
 * The one error type of the data path. It says what happened (`details`), to whom it is owed (`source`), which of Envoy's
 * response flags it carries, and whether a retry is safe: decided where the error is born, not guessed later.
 * It is not a JavaScript Error: no stack is taken, because these are peers' doings, not faults of ours.
 */

import type { HeaderFields } from './header-fields.ts';
import type { ResponseFlag } from './response-flag.ts';

export type ErrorSource = 'downstream' | 'upstream' | 'local';

/**
 * Whether the request may be sent again:
 * - `unsent`: provably never processed (connect failure, REFUSED_STREAM, GOAWAY below the stream, write before a stale connection closed with nothing read): any method;
 * - `idempotent`: nothing of a response came, but the peer may have acted: only for methods that are safe to repeat;
 * - `never`.
 */
export type RetrySafety = 'unsent' | 'idempotent' | 'never';

/** What the local reply made from an error has beside what its flag, details and message say: a challenge, or the answer of an authorization service. */
export interface ReplyExtras {
  /** Put in place of the reply's own fields of these names. Those that frame the message must not be among them. */
  readonly fields?: HeaderFields;
  /** Instead of the reply's own body. */
  readonly body?: Buffer;
  /** Beside the rest of the reply's JSON. */
  readonly facts?: Readonly<Record<string, string>>;
  /** For gRPC callers, instead of the one that flag and status say. */
  readonly grpcStatus?: number;
}

export class ProxyError {
  readonly flag: ResponseFlag;
  readonly source: ErrorSource;
  /** Envoy's `%RESPONSE_CODE_DETAILS%`, snake case: `upstream_reset_before_response_started{connection_termination}`. */
  readonly details: string;
  /** One sentence for a person; no line breaks, nothing secret. */
  readonly message: string;
  /** The policy that is the reason, for the answer; '': it is not a policy's doing, and the route is named. */
  readonly rule: string;
  readonly retry: RetrySafety;
  /** HTTP status of a local reply made from this error, when a codec asks for a particular one (400, 408, 413, 431, 502…); 0: decided by the flag (local-reply.ts). */
  readonly status: number;
  /** HTTP/2 error code (RFC 9113 7) for RST_STREAM / GOAWAY made from this error. */
  readonly http2Code: number;
  readonly reply: ReplyExtras | null;

  constructor(init: {
    flag: ResponseFlag;
    source: ErrorSource;
    details: string;
    message: string;
    rule?: string;
    retry?: RetrySafety;
    status?: number;
    http2Code?: number;
    reply?: ReplyExtras | null;
  }) {
    this.flag = init.flag;
    this.source = init.source;
    this.details = init.details;
    this.message = init.message;
    this.rule = init.rule ?? '';
    this.retry = init.retry ?? 'never';
    this.status = init.status ?? 0;
    this.http2Code = init.http2Code ?? 0;
    this.reply = init.reply ?? null;
  }
}
