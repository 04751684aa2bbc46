/**
 * Makes a request head out of a decoded header block, or says why it is malformed (RFC 9113 8.2, 8.3; hardening.md, "HTTP/2 → HTTP/1.1").
 * Nothing is repaired: what another hop could read differently is refused.
 */
import { isAuthority, portOf, sameHost } from '../codec/authority.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { type HeaderName, wellKnown } from '../codec/header-name.ts';
import { RequestHead } from '../codec/message-head.ts';
import { tunnelsHttp2 } from '../codec/upgrade-token.ts';
import { contentLengthValue } from './content-length.ts';
import type { FieldBlock } from './hpack/field-block.ts';
import {
  kindAuthority,
  kindConnectionSpecific,
  kindContentLength,
  kindCookie,
  kindHost,
  kindInvalid,
  kindMethod,
  kindPath,
  kindProtocol,
  kindRegular,
  kindScheme,
  kindTe,
} from './hpack/field-name.ts';
import { addUpgradeFields } from './upgrade-fields.ts';

/** A request as its block says it; heads are copies, so that the same one serves every repetition of the block. */
export class RequestTemplate {
  method = '';
  scheme = '';
  /** '' when neither `:authority` nor host was there. */
  authority = '';
  path = '';
  upgrade = '';
  /** -1 for none. */
  contentLength = -1;
  readonly names: HeaderName[] = [];
  readonly values: string[] = [];

  toHead(): RequestHead {
    const fields = new HeaderFields(this.names.slice(), this.values.slice());
    const { upgrade } = this;
    if (upgrade === '')
      return new RequestHead(this.method, this.scheme, this.authority, this.path, '2', fields, '', false);
    addUpgradeFields(fields, upgrade);
    return new RequestHead('GET', this.scheme, this.authority, this.path, '2', fields, upgrade, false);
  }
}

const methodToken = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** As an HTTP/1 target: visible ASCII without '#', as a fragment is never sent. */
const pathSyntax = /^\/[\x21\x22\x24-\x7e]*$/;

/** The request, or in words what is wrong with it. The block must have been complete and in bounds. */
export function readRequest(block: FieldBlock, endStream: boolean): RequestTemplate | string {
  const { names, values } = block;
  if (block.hasInvalidValue) return 'a field value has a forbidden character';
  const request = new RequestTemplate();
  let seen = 0;
  let pseudoOver = false;
  let host: string | null = null;
  let cookieAt = -1;
  for (let i = 0; i < names.length; i++) {
    const field = names[i]!;
    const value = values[i]!;
    const { kind } = field;
    if (kind >= kindMethod) {
      if (pseudoOver) return 'a pseudo-header comes after a regular field';
      const bit = 1 << (kind - kindMethod);
      if ((seen & bit) !== 0) return `${field.name.raw} comes twice`;
      seen |= bit;
      if (kind === kindMethod) request.method = value;
      else if (kind === kindScheme) request.scheme = value;
      else if (kind === kindAuthority) request.authority = value;
      else if (kind === kindPath) request.path = value;
      else if (kind === kindProtocol) request.upgrade = value.toLowerCase();
      else return 'an unknown or response pseudo-header';
      continue;
    }
    pseudoOver = true;
    if (kind !== kindRegular) {
      if (kind === kindInvalid) return 'a field name is not a lower-case token';
      if (kind === kindConnectionSpecific) return `${field.name.raw} is connection-specific`;
      if (kind === kindTe && value.toLowerCase() !== 'trailers') return 'te other than trailers';
      if (kind === kindHost) {
        if (host !== null) return 'host comes twice';
        host = value;
        continue;
      }
      if (kind === kindContentLength) {
        if (request.contentLength >= 0) return 'content-length comes twice';
        request.contentLength = contentLengthValue(value);
        if (request.contentLength < 0) return 'content-length is not a number';
      }
      if (kind === kindCookie) {
        if (cookieAt >= 0) {
          request.values[cookieAt] += `; ${value}`;
          if (field.name.neverIndexed) request.names[cookieAt] = field.name;
          continue;
        }
        cookieAt = request.names.length;
      }
    }
    request.names.push(field.name);
    request.values.push(value);
  }
  return checkRequest(request, seen, host, endStream);
}

const defaultPorts: Readonly<Record<string, string>> = { http: '80', https: '443' };

const sawMethod = 1;
const sawScheme = 1 << (kindScheme - kindMethod);
const sawAuthority = 1 << (kindAuthority - kindMethod);
const sawPath = 1 << (kindPath - kindMethod);
const sawProtocol = 1 << (kindProtocol - kindMethod);

function checkRequest(
  request: RequestTemplate,
  seen: number,
  host: string | null,
  endStream: boolean,
): RequestTemplate | string {
  if ((seen & sawMethod) === 0) return ':method is missing';
  if (!methodToken.test(request.method)) return ':method is not a token';
  const isConnect = request.method === 'CONNECT';
  if ((seen & sawProtocol) !== 0) {
    if (!isConnect) return ':protocol without CONNECT';
    if (!methodToken.test(request.upgrade)) return ':protocol is not a token';
    if (tunnelsHttp2(request.upgrade)) return ':protocol is HTTP/2, which is no tunnel';
    if (endStream) return 'an extended CONNECT that ends at once';
  }
  if (isConnect && (seen & sawProtocol) === 0) {
    if ((seen & (sawScheme | sawPath)) !== 0) return 'CONNECT with :scheme or :path';
    if ((seen & sawAuthority) === 0) return 'CONNECT without :authority';
    if (portOf(request.authority) === '') return 'CONNECT to no port';
  } else {
    if ((seen & sawScheme) === 0) return ':scheme is missing';
    request.scheme = request.scheme.toLowerCase();
    if (request.scheme !== 'http' && request.scheme !== 'https') return ':scheme is neither http nor https';
    if ((seen & sawPath) === 0) return ':path is missing';
    const { path } = request;
    if (!pathSyntax.test(path) && !(path === '*' && request.method === 'OPTIONS')) return ':path is malformed';
  }
  if (host !== null) {
    if ((seen & sawAuthority) === 0) request.authority = host;
    else if (!sameHost(host, request.authority, defaultPorts[request.scheme] ?? ''))
      return 'host differs from :authority';
  }
  if ((seen & sawAuthority) !== 0 || request.authority !== '') {
    if (!isAuthority(request.authority)) return ':authority or host is malformed';
  }
  if (isConnect) dropContentLength(request);
  else if (endStream && request.contentLength > 0) return 'content-length without a body';
  return request;
}

/** What follows a CONNECT is no content and has no length (RFC 9110 9.3.6): it must count neither here nor at the next hop. Envoy drops it too. */
function dropContentLength(request: RequestTemplate): void {
  if (request.contentLength < 0) return;
  const at = request.names.findIndex((name) => name.known === wellKnown.contentLength);
  request.names.splice(at, 1);
  request.values.splice(at, 1);
  request.contentLength = -1;
}
