/** A downstream request's stream: writes the response's heads. */
import type { ServerStream } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import type { ResponseHead } from '../codec/message-head.ts';
import { internalError } from './error-code.ts';
import { encodeResponseHead } from './head-encoding.ts';
import type { Http2ServerConnection } from './server-connection.ts';
import { Http2Stream } from './stream.ts';
import { stateOpen } from './stream-state.ts';

export class Http2ServerStream extends Http2Stream implements ServerStream {
  readonly connection: Http2ServerConnection;
  /** Token of an extended CONNECT, else ''. */
  upgrade = '';
  #continued = false;

  constructor(connection: Http2ServerConnection, id: number) {
    super(connection, id, stateOpen);
    this.connection = connection;
  }

  sendInformational(head: ResponseHead): void {
    if (this.localOver) return;
    const { status } = head;
    const known = this.#continued;
    if (status === 100) this.#continued = true;
    if (!this.link.writer.full) this.#write(status, head.fields, false);
    // The client may wait for it with its body, while it is others' answers that it does not read.
    else if (status === 100 && !known) this.#write(100, new HeaderFields(), false);
  }

  sendHead(head: ResponseHead, endStream: boolean): void {
    if (this.localOver) return;
    let { status } = head;
    if (status === 101) {
      if (this.upgrade === '') {
        this.link.resetStream(this, internalError);
        return;
      }
      // RFC 8441 5: the answer to an extended CONNECT is a 2xx.
      status = 200;
    } else if (this.upgrade !== '' && status >= 200 && status < 300) {
      // A success without the upgrade cannot be said here: the client would take it for the upgrade.
      status = 502;
    }
    this.#write(status, head.fields, endStream);
    this.headSent(endStream);
  }

  #write(status: number, fields: HeaderFields, endStream: boolean): void {
    const accepted = this.tunnel && status >= 200 && status < 300;
    const length = encodeResponseHead(this.link.encoder, status, fields, accepted);
    this.link.writeBlock(this.id, length, endStream);
  }
}
