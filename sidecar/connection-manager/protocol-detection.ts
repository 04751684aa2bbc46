/**
 * Looks at the first bytes of a plaintext connection: HTTP/2 begins with its preface (RFC 9113 3.4), and nothing else does. The preface may come in pieces; what was read is
 * handed on with the answer.
 */
import type { Socket } from 'node:net';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface DetectionOwner {
  /** Nothing listens to the socket any more: take it over within this call. */
  onProtocol(protocol: 'http1' | 'http2', firstBytes: Buffer): void;
  /** The socket is closed, and the protocol never became known. */
  onUndetected(): void;
}

export class ProtocolDetection {
  readonly #socket: Socket;
  readonly #owner: DetectionOwner;
  #first: Buffer | null = null;

  constructor(socket: Socket, owner: DetectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', ignore);
    socket.on('close', this.#onClose);
  }

  /** A part of a preface has come. */
  get begun(): boolean {
    return this.#first !== null;
  }

  readonly #onData = (chunk: Buffer): void => {
    const first = this.#first === null ? chunk : Buffer.concat([this.#first, chunk]);
    const compared = Math.min(first.length, preface.length);
    const matches = first.compare(preface, 0, compared, 0, compared) === 0;
    if (matches && compared < preface.length) {
      this.#first = first;
      return;
    }
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    this.#owner.onProtocol(matches ? 'http2' : 'http1', first);
    socket.off('error', ignore);
  };

  /** Nobody asks anything after its end. */
  readonly #onEnd = (): void => {
    this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#owner.onUndetected();
  };
}

function ignore(): void {
  // 'close' follows.
}
