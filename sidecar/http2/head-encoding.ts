/** Writes heads and trailers as header blocks: pseudo-headers first, without the fields that HTTP/2 forbids (RFC 9113 8.2.2, 8.3). */
import type { HeaderFields } from '../codec/header-fields.ts';
import { wellKnown } from '../codec/header-name.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { HpackEncoder } from './hpack/hpack-encoder.ts';

// Indices of the static table (RFC 7541 Appendix A).
const indexGet = 2;
const indexPost = 3;
const indexPathRoot = 4;
const indexHttp = 6;
const indexHttps = 7;
const indexStatus200 = 8;
const indexStatus204 = 9;
const indexStatus304 = 11;
const indexStatus404 = 13;

/** Encodes into blockScratch; the block's length. `scheme` stands in when the head has none. */
export function encodeRequestHead(encoder: HpackEncoder, head: RequestHead, scheme: string): number {
  const { method, fields } = head;
  encoder.begin();
  const extended = head.upgrade !== '';
  if (extended) encoder.add(':method', 'CONNECT');
  else if (method === 'GET') encoder.addStatic(indexGet);
  else if (method === 'POST') encoder.addStatic(indexPost);
  else encoder.add(':method', method);
  if (extended || method !== 'CONNECT') {
    const used = head.scheme === '' ? scheme : head.scheme;
    if (used === 'http') encoder.addStatic(indexHttp);
    else if (used === 'https') encoder.addStatic(indexHttps);
    else encoder.add(':scheme', used);
    if (head.path === '/' || head.path === '') encoder.addStatic(indexPathRoot);
    else encoder.add(':path', head.path);
  }
  const authority = head.authority === '' ? fields.get('host') : head.authority;
  if (authority !== undefined && authority !== '') encoder.add(':authority', authority);
  if (extended) encoder.add(':protocol', head.upgrade);
  // RFC 8441 5: HTTP/1.1's proof of the handshake is not carried.
  addFields(encoder, fields, extended ? 'sec-websocket-key' : '', method === 'CONNECT' || extended);
  return encoder.end();
}

/** Encodes into blockScratch; the block's length. `tunnel`: the response opens one. */
export function encodeResponseHead(
  encoder: HpackEncoder,
  status: number,
  fields: HeaderFields,
  tunnel = false,
): number {
  encoder.begin();
  if (status === 200) encoder.addStatic(indexStatus200);
  else if (status === 204) encoder.addStatic(indexStatus204);
  else if (status === 304) encoder.addStatic(indexStatus304);
  else if (status === 404) encoder.addStatic(indexStatus404);
  else encoder.add(':status', String(status));
  addFields(encoder, fields, tunnel ? 'sec-websocket-accept' : '', tunnel);
  return encoder.end();
}

/** Encodes into blockScratch; the block's length. */
export function encodeTrailers(encoder: HpackEncoder, trailers: HeaderFields): number {
  encoder.begin();
  addFields(encoder, trailers, '', false);
  return encoder.end();
}

/** `tunnel`: no content follows but a tunnel's bytes, which no content-length may count (RFC 9110 8.6). */
function addFields(encoder: HpackEncoder, fields: HeaderFields, without: string, tunnel: boolean): void {
  const { names, values } = fields;
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const value = values[i]!;
    if (name.known !== wellKnown.other && isDropped(name.known, value, tunnel)) continue;
    if (without !== '' && name.lower === without) continue;
    if (name.neverIndexed) encoder.addNeverIndexed(name.lower, value);
    else encoder.add(name.lower, value);
  }
}

function isDropped(known: number, value: string, tunnel: boolean): boolean {
  switch (known) {
    case wellKnown.contentLength:
      return tunnel;
    case wellKnown.host: // said by :authority
    case wellKnown.connection:
    case wellKnown.keepAlive:
    case wellKnown.proxyConnection:
    case wellKnown.transferEncoding:
    case wellKnown.upgrade:
    case wellKnown.http2Settings:
      return true;
    case wellKnown.te:
      return value.toLowerCase() !== 'trailers';
    default:
      return false;
  }
}
