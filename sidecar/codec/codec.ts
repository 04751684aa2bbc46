/**
 * The pair of interfaces that HTTP/1.1 and HTTP/2 both stand behind, for servers (downstream side) and clients (upstream side).
 * A codec turns bytes into stream events and back. It knows no routes, clusters or policies.
 *
 * Order of events of one message: informational* → head → data* → trailers? ; `endStream` (or trailers) is the end.
 * `onReset` may come at any time instead of the rest. After the end of both directions, after `onReset`, and after the owner called
 * `reset`, no event comes any more (hardening.md, "streams that died").
 *
 * Reentrancy: a receiver may call any sender method from inside an event. A codec must not deliver an event from inside
 * a sender call, except `onWriteBlocked`.
 *
 * Buffers handed to `onData` are views of read buffers, which may be read into again as soon as somebody has written or parsed the bytes and gives them back (transport/read-loan.ts). Passing one
 * on to `sendData` needs no copy; who keeps one beyond that (a body that may have to be sent again, a filter that gathers) must hold its block with `holdLoan`, or copy.
 * Buffers given to `sendData` belong to the codec until written.
 */
import type { HeaderFields } from './header-fields.ts';
import type { RequestHead, ResponseHead } from './message-head.ts';
import type { ProxyError } from './proxy-error.ts';

/** What the owner of a stream hears about its peer's message and about its own writing. */
export interface StreamReceiver<Head> {
  onHead(head: Head, endStream: boolean): void;
  /** `chunk` may be empty only when `endStream` is true. */
  onData(chunk: Buffer, endStream: boolean): void;
  /** Trailers end the message. */
  onTrailers(trailers: HeaderFields): void;
  /** The peer (or its connection) ended the stream early, or broke the protocol. Nothing follows. */
  onReset(error: ProxyError): void;
  /** More than the high watermark of bytes sent on this stream waits (in its window or the socket): stop sending soon. */
  onWriteBlocked(): void;
  /** Below the low watermark again. Calls pair up with onWriteBlocked. */
  onWriteReady(): void;
}

export interface ResponseReceiver extends StreamReceiver<ResponseHead> {
  /** 100 and 102…199 except 101, up to maxInformationalHeads of them before onHead. 101 comes as onHead. */
  onInformational(head: ResponseHead): void;
  /** HTTP/2: this side drains the connection. The stream goes on; who means to keep one for long opens another. */
  onConnectionDraining?(): void;
}
export type RequestReceiver = StreamReceiver<RequestHead>;

/** The sending half of a stream. */
export interface StreamSender<Head> {
  /** Sends the head; the codec decides framing from the fields, the method or status, and `endStream`. The head is not kept. */
  sendHead(head: Head, endStream: boolean): void;
  sendData(chunk: Buffer, endStream: boolean): void;
  /** Trailers end the message. Where they can't be carried (HTTP/1.0, counted body) they are dropped and the message is ended. */
  sendTrailers(trailers: HeaderFields): void;
  /**
   * Ends the stream in both directions at once, at the owner's wish; no event follows. HTTP/2: RST_STREAM with `error.http2Code`.
   * HTTP/1: the connection closes if the message was begun and not finished (so that the peer sees it is cut), else it stays usable
   * only when both sides are at a message boundary.
   */
  reset(error: ProxyError): void;
  /** Counted: reading from the peer on this stream stops (HTTP/2: window not opened; HTTP/1: socket not read) until as many resumes. */
  pauseReading(): void;
  resumeReading(): void;
}

/** A downstream request's stream on a server connection. */
export interface ServerStream extends StreamSender<ResponseHead> {
  /** Dropped while the client does not take what is written for it: nothing holds back who sends these. */
  sendInformational(head: ResponseHead): void;
  readonly connection: ServerConnection;
  /** HTTP/2 stream id; HTTP/1: the count of requests on this connection. For logs. */
  readonly id: number;
}

/** An upstream request's stream on a client connection. */
export interface ClientStream extends StreamSender<RequestHead> {
  readonly connection: ClientConnection;
  readonly id: number;
}

export interface ServerConnectionOwner {
  /** A request begins: its `onHead` follows right after this returns. */
  onStream(stream: ServerStream): RequestReceiver;
  /** A request was refused before it became a stream; the codec has answered it. For counting and the log. */
  onCodecError(error: ProxyError): void;
  /** The connection is gone, streams already reset. `error` says why unless it ended in order. Called once. */
  onClose(error: ProxyError | null): void;
}

export interface ServerConnection {
  readonly protocol: 'http1' | 'http2';
  /** Streams that have begun and not ended. */
  readonly activeStreams: number;
  /**
   * Starts a graceful end: HTTP/2 sends GOAWAY(2^31-1) and PING, then GOAWAY(last id) (RFC 9113 6.8); HTTP/1 answers the requests in hand with
   * `connection: close`. The connection closes itself when the last stream ends. With none: HTTP/2 at once, HTTP/1 after its next answer, as a request may be on its way.
   */
  drain(): void;
  /** Ends it now; streams get onReset(error). */
  destroy(error: ProxyError): void;
}

export interface ClientConnectionOwner {
  /** Connected, TLS done, codec chosen and (HTTP/2) preface sent: streams can be made. Called once, before anything else. */
  onReady(): void;
  /** The number from `availableStreams` grew (a stream ended, or the peer's settings changed). */
  onStreamsAvailable(): void;
  /** No new streams from now on (GOAWAY, `connection: close`, idle hint reached); running ones go on. Called at most once. */
  onDraining(): void;
  /** Gone; streams were reset before. Called once; before onReady when connecting failed. */
  onClose(error: ProxyError | null): void;
}

export interface ClientConnection {
  readonly protocol: 'http1' | 'http2';
  readonly activeStreams: number;
  /** `ip:port` of our end; '' when it is closed. Asked of the system each time. */
  readonly localEnd: string;
  /** How many more streams may begin now: HTTP/1 0 or 1; HTTP/2 by the peer's SETTINGS_MAX_CONCURRENT_STREAMS and ours. 0 when draining or closed. */
  availableStreams(): number;
  /** Begins a stream. Only while `availableStreams() > 0`. */
  newStream(receiver: ResponseReceiver): ClientStream;
  /** Like ServerConnection.drain: no new streams, closes when the last ends. */
  drain(): void;
  destroy(error: ProxyError): void;
}
