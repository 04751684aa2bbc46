/**
 * Looks at the first bytes of a connection: TLS or not, and if so for which server name and protocols (Envoy's tls_inspector). Reads the ClientHello only
 * (RFC 8446 4.1.2, RFC 6066 3, RFC 7301); whether it is a good one is for TLS to find out. Never throws, whatever the bytes.
 */

export interface ClientHello {
  /** In lower case; '' when none was sent. */
  readonly serverName: string;
  /** ALPN in the client's order of preference. */
  readonly protocols: readonly string[];
}

/** `raw`: not TLS. `more`: cannot be told from these bytes yet. */
export type FirstBytes = ClientHello | 'raw' | 'more';

/** A ClientHello that is longer, or takes longer with the heads of its records, is not waited for (Envoy: 16 KiB). */
export const maxHelloBytes = 16 * 1024;

const handshakeRecord = 0x16;
const clientHelloMessage = 0x01;
const recordHeaderBytes = 5;
/** Type (1) and length (3). */
const messageHeaderBytes = 4;

/** The first bytes of one connection, as they come. Each is looked at once, and at most {@link maxHelloBytes} of them, however they are cut into records and reads. */
export class FirstBytesReader {
  /** Of the record that is being read. */
  readonly #header = Buffer.alloc(recordHeaderBytes);
  #headerBytes = 0;
  #recordBytesLeft = 0;
  /** Of the handshake message. */
  readonly #pieces: Buffer[] = [];
  #messageBytes = 0;
  /** Type and length of the message, as far as they came. */
  readonly #start = Buffer.alloc(messageHeaderBytes);
  #wireBytes = 0;

  add(chunk: Buffer): FirstBytes {
    for (let at = 0; at < chunk.length; ) {
      if (this.#wireBytes >= maxHelloBytes) return 'raw';
      if (this.#recordBytesLeft === 0) {
        if (!this.#takeHeaderByte(chunk[at]!)) return 'raw';
        at++;
        continue;
      }
      const piece = chunk.subarray(at, at + Math.min(this.#recordBytesLeft, maxHelloBytes - this.#wireBytes));
      at += piece.length;
      const hello = this.#takePiece(piece);
      if (hello !== null) return hello;
    }
    return this.#wireBytes >= maxHelloBytes ? 'raw' : 'more';
  }

  /** False: this is no record of a handshake. */
  #takeHeaderByte(byte: number): boolean {
    const at = this.#headerBytes++;
    this.#wireBytes++;
    if (at === 0 && byte !== handshakeRecord) return false;
    if (at === 1 && byte !== 3) return false;
    this.#header[at] = byte;
    if (this.#headerBytes < recordHeaderBytes) return true;
    this.#headerBytes = 0;
    this.#recordBytesLeft = this.#header.readUInt16BE(3);
    return this.#recordBytesLeft > 0;
  }

  /** Null: more is wanted. */
  #takePiece(piece: Buffer): ClientHello | 'raw' | null {
    this.#wireBytes += piece.length;
    this.#recordBytesLeft -= piece.length;
    const startBytes = Math.min(messageHeaderBytes, this.#messageBytes);
    if (startBytes < messageHeaderBytes) piece.copy(this.#start, startBytes, 0, messageHeaderBytes - startBytes);
    this.#pieces.push(piece);
    this.#messageBytes += piece.length;
    if (this.#start[0] !== clientHelloMessage) return 'raw';
    if (this.#messageBytes < messageHeaderBytes) return null;
    const need = messageHeaderBytes + this.#start.readUIntBE(1, 3);
    if (need > maxHelloBytes) return 'raw';
    if (this.#messageBytes < need) return null;
    const message = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    return parseHello(message.subarray(messageHeaderBytes, need));
  }
}

function parseHello(hello: Buffer): ClientHello {
  const nothing: ClientHello = { serverName: '', protocols: [] };
  // legacy_version (2), random (32), session id, cipher suites, compression methods, extensions.
  let at = 34;
  at += 1 + byteAt(hello, at);
  at += 2 + uint16At(hello, at);
  at += 1 + byteAt(hello, at);
  const end = Math.min(at + 2 + uint16At(hello, at), hello.length);
  at += 2;
  let serverName = '';
  let protocols: readonly string[] = [];
  while (at + 4 <= end) {
    const type = hello.readUInt16BE(at);
    const length = hello.readUInt16BE(at + 2);
    const body = hello.subarray(at + 4, Math.min(at + 4 + length, end));
    if (body.length < length) return nothing;
    if (type === 0) serverName = readServerName(body);
    else if (type === 16) protocols = readProtocols(body);
    at += 4 + length;
  }
  return { serverName, protocols };
}

function readServerName(body: Buffer): string {
  // server_name_list: length (2), then name_type (1), length (2), name.
  if (body.length < 5 || body[2] !== 0) return '';
  const length = body.readUInt16BE(3);
  if (5 + length > body.length) return '';
  const name = body.toString('latin1', 5, 5 + length).toLowerCase();
  // A name with anything else in it (NUL above all) matches nothing rather than something by accident.
  return /^[a-z0-9_.:-]*$/.test(name) ? name : '';
}

function readProtocols(body: Buffer): string[] {
  const protocols: string[] = [];
  for (let at = 2; at < body.length; ) {
    const length = body[at]!;
    if (length === 0 || at + 1 + length > body.length) return [];
    protocols.push(body.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return protocols;
}

function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] ?? 0;
}

function uint16At(bytes: Buffer, at: number): number {
  return at + 2 <= bytes.length ? bytes.readUInt16BE(at) : 0;
}
