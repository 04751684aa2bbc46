/** An upstream request's stream: writes the request's head, and says in Envoy's words how the stream failed. */
import type { ClientStream, ResponseReceiver } from '../codec/codec.ts';
import type { RequestHead } from '../codec/message-head.ts';
import { ProxyError, type RetrySafety } from '../codec/proxy-error.ts';
import type { ResponseFlag } from '../codec/response-flag.ts';
import type { Http2ClientConnection } from './client-connection.ts';
import { Http2Stream } from './stream.ts';
import { stateClosed, stateIdle } from './stream-state.ts';
import { websocketAccept } from './upgrade-fields.ts';

export class Http2ClientStream extends Http2Stream implements ClientStream {
  readonly connection: Http2ClientConnection;
  readonly response: ResponseReceiver;
  /** Token of an upgrade, else ''. */
  upgrade = '';
  /** The sec-websocket-accept that an HTTP/1.1 client expects, else ''. */
  accept = '';
  isHead = false;
  informationalHeads = 0;
  /** The writer's position when its head was written. */
  headPosition = 0;
  /** An upgrade that waits for the peer's SETTINGS, which say whether it may be sent. */
  heldHead: RequestHead | null = null;

  constructor(connection: Http2ClientConnection, receiver: ResponseReceiver) {
    super(connection, 0, stateIdle);
    this.connection = connection;
    this.response = receiver;
    this.receiver = receiver;
  }

  sendHead(head: RequestHead, endStream: boolean): void {
    if (this.state !== stateIdle || this.heldHead !== null) return;
    this.isHead = head.method === 'HEAD';
    this.upgrade = head.upgrade;
    this.tunnel = head.upgrade !== '' || head.method === 'CONNECT';
    this.accept = websocketAccept(head);
    this.connection.beginStream(this, head, endStream);
  }

  /** @internal The state after the head was written. */
  headWritten(endStream: boolean): void {
    this.headSent(endStream);
    if (this.state === stateClosed || !this.hasQueued) return;
    this.link.scheduler.sendFrom(this);
    // What was queued before the head went out with it; the owner hears so, but not from inside its own call.
    if (this.blocked && this.queuedBytes === 0) setImmediate(() => this.unblockIfIdle());
  }

  /** An error of this stream with details as Envoy words them. */
  error(flag: ResponseFlag, reason: string, message: string, retry: RetrySafety, http2Code: number): ProxyError {
    const when = this.headReceived ? 'after' : 'before';
    return new ProxyError({
      flag,
      source: 'upstream',
      details: `upstream_reset_${when}_response_started{${reason}}`,
      message,
      retry: retry === 'idempotent' && this.headReceived ? 'never' : retry,
      http2Code,
    });
  }
}
