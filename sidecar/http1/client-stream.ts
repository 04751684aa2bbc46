/**
 * The handle of one request on a client connection, given to the owner. Passes calls on while its request is the connection's current one; after that it does
 * nothing, so that a late call never touches the next request.
 */
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { Http1ClientConnection } from './client-connection.ts';

export class Http1ClientStream implements ClientStream {
  readonly connection: Http1ClientConnection;
  readonly id: number;
  /** onWriteBlocked was called and onWriteReady not yet. Kept by the connection. */
  writeBlocked = false;

  constructor(connection: Http1ClientConnection, id: number) {
    this.connection = connection;
    this.id = id;
  }

  sendHead(head: RequestHead, endStream: boolean): void {
    if (this.connection.currentStream === this) this.connection.sendHead(head, endStream);
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.connection.currentStream === this) this.connection.sendData(chunk, endStream);
  }

  sendTrailers(trailers: HeaderFields): void {
    if (this.connection.currentStream === this) this.connection.sendTrailers(trailers);
  }

  reset(error: ProxyError): void {
    if (this.connection.currentStream === this) this.connection.resetStream(error);
  }

  pauseReading(): void {
    if (this.connection.currentStream === this) this.connection.pauseReading();
  }

  resumeReading(): void {
    if (this.connection.currentStream === this) this.connection.resumeReading();
  }
}
