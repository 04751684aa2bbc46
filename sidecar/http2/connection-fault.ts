/**
 * What ends a whole HTTP/2 connection (RFC 9113 5.4.1). Thrown by the frame and header code, caught in one place: Http2Connection.
 * Not for faults of a single stream, which do not unwind anything.
 */

export class ConnectionFault {
  /** Code of the GOAWAY frame. */
  readonly code: number;
  /** Response code details in Envoy's style: `http2.inbound_empty_frames_flood`. */
  readonly details: string;
  /** One sentence; also the debug data of GOAWAY. */
  readonly message: string;

  constructor(code: number, details: string, message: string) {
    this.code = code;
    this.details = details;
    this.message = message;
  }
}
