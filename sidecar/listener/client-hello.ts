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

/** A ClientHello that is longer is not waited for (Envoy: 16 KiB). */
export const maxHelloBytes = 16 * 1024;

const handshakeRecord = 0x16;
const clientHelloMessage = 0x01;

export function inspectFirstBytes(bytes: Buffer): FirstBytes {
  if (bytes.length === 0) return 'more';
  if (bytes[0] !== handshakeRecord) return 'raw';
  if (bytes.length > 1 && bytes[1] !== 3) return 'raw';
  if (bytes.length > 5 && bytes[5] !== clientHelloMessage) return 'raw';
  const hello = handshakeMessage(bytes);
  if (hello === 'raw') return 'raw';
  if (hello === null) return bytes.length >= maxHelloBytes ? 'raw' : 'more';
  return parseHello(hello);
}

/** The body of the first handshake message, joined from as many records as it takes; null: not all there. */
function handshakeMessage(bytes: Buffer): Buffer | 'raw' | null {
  const pieces: Buffer[] = [];
  let have = 0;
  let need = 4;
  for (let at = 0; at + 5 <= bytes.length; ) {
    if (bytes[at] !== handshakeRecord) return 'raw';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0) return 'raw';
    const piece = bytes.subarray(at + 5, at + 5 + length);
    pieces.push(piece);
    have += piece.length;
    const joined = pieces.length === 1 ? piece : Buffer.concat(pieces);
    if (joined.length >= 4) need = 4 + joined.readUIntBE(1, 3);
    if (need > maxHelloBytes) return 'raw';
    if (have >= need) return joined.subarray(4, need);
    if (piece.length < length) return null;
    at += 5 + length;
  }
  return null;
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
