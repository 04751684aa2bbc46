/**
 * gRPC's length-prefixed messages over HTTP/2 data: framing only, for the sidecar's own calls (ADS, registration). Proxied gRPC is never looked into.
 * Source: gRPC over HTTP2, "Length-Prefixed-Message".
 */

const prefixBytes = 5;

/** Room for the prefix of a message; see withPrefix(). */
export const noPrefix: Uint8Array = new Uint8Array(prefixBytes);

/** A message with its prefix (uncompressed). */
export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(prefixBytes + message.length);
  framed.set(message, prefixBytes);
  return withPrefix(framed);
}

/** Writes the prefix of a message into the room in front of it. Returns the same. */
export function withPrefix(framed: Buffer): Buffer {
  framed[0] = 0;
  framed.writeUInt32BE(framed.length - prefixBytes, 1);
  return framed;
}

/** Cuts a stream of data into messages. */
export class MessageReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #buffered = 0;

  /** A message longer than `maxBytes` is refused. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes data and gives the messages that are complete now. Throws with a reason when the framing is broken, compressed, or too large. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const messages: Buffer[] = [];
    while (this.#buffered >= 5) {
      const head = this.#peek(5);
      if (head[0] !== 0)
        throw new Error(
          head[0] === 1 ? 'a compressed message came, though none was asked for' : 'the message prefix is broken',
        );
      const length = head.readUInt32BE(1);
      if (length > this.#maxBytes) throw new Error(`a message of ${length} bytes came; the limit is ${this.#maxBytes}`);
      if (this.#buffered < 5 + length) break;
      messages.push(this.#take(5 + length).subarray(5));
    }
    return messages;
  }

  #peek(bytes: number): Buffer {
    if (this.#chunks[0]!.length < bytes) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!.subarray(0, bytes);
  }

  #take(bytes: number): Buffer {
    if (this.#chunks[0]!.length < bytes) this.#chunks = [Buffer.concat(this.#chunks)];
    const first = this.#chunks[0]!;
    const taken = first.subarray(0, bytes);
    if (first.length === bytes) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(bytes);
    this.#buffered -= bytes;
    return taken;
  }
}
