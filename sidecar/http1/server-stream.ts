/**
 * The handle of one request on a server connection, given to the owner. Passes calls on while its request is the connection's current one; after that it does
 * nothing, so that a late call never touches the next request.
 */
import type { ServerStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { Http1ServerConnection } from './server-connection.ts';

export class Http1ServerStream implements ServerStream {
  readonly connection: Http1ServerConnection;
  readonly id: number;
  /** onWriteBlocked was called and onWriteReady not yet. Kept by the connection. */
  writeBlocked = false;

  constructor(connection: Http1ServerConnection, id: number) {
    this.connection = connection;
    this.id = id;
  }

  sendInformational(head: ResponseHead): void {
    if (this.connection.currentStream === this) this.connection.sendInformational(head);
  }

  sendHead(head: ResponseHead, endStream: boolean): void {
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
