/**
 * Makes a {@link RequestHead} out of a parsed request line and its fields: the four forms of a target (RFC 9112 3.2), and which host is meant.
 * Where Host and target could be read as two different hosts, or the host is none, the request is refused.
 */
import { isAuthority, portOf, sameHost } from '../codec/authority.ts';
import { RequestHead } from '../codec/message-head.ts';
import { noLength } from './field-facts.ts';
import { HeadFault } from './head-fault.ts';
import type { HeadParser } from './head-parser.ts';

/** The host that was found well-formed last: most requests of an event loop name the same few. */
let lastGoodHost = '';

/** Reads the results of `parser.parseRequest`. */
export function requestHeadOf(parser: HeadParser, scheme: string): RequestHead | HeadFault {
  const { method, target, facts, minor } = parser;
  const { host } = facts;
  if (minor === 1) {
    if (host === null) return noHost;
  } else if (facts.chunked) {
    return encodingIn10;
  }
  if (host !== null && host !== lastGoodHost && host !== '') {
    if (!isAuthority(host)) return badHost;
    lastGoodHost = host;
  }
  const version = minor === 1 ? '1.1' : '1.0';
  const first = target.charCodeAt(0);
  // `/path`: nearly all.
  if (first === 47 && method !== 'CONNECT') {
    return new RequestHead(
      method,
      scheme,
      host ?? '',
      target,
      version,
      parser.fields,
      minor === 1 && isBodiless(parser) ? facts.upgrade : '',
      false,
    );
  }
  if (method === 'CONNECT') {
    if (!isAuthority(target) || portOf(target) === '') return badForm;
    if (facts.chunked || facts.contentLength > 0) return connectBody;
    if (host !== null && !sameHost(host, target, '')) return otherHost;
    return new RequestHead(method, scheme, target, '', version, parser.fields, '', false);
  }
  if (target === '*') {
    if (method !== 'OPTIONS') return badForm;
    return new RequestHead(method, scheme, host ?? '', '*', version, parser.fields, '', false);
  }
  const absolute = /^(https?):\/\/([^/?#]+)(\/[^#]*|\?[^#]*)?$/i.exec(target);
  if (absolute === null) return badForm;
  const targetScheme = absolute[1]!.toLowerCase();
  const authority = absolute[2]!;
  if (!isAuthority(authority)) return badForm;
  if (host !== null && !sameHost(host, authority, targetScheme === 'http' ? '80' : '443')) return otherHost;
  const rest = absolute[3] ?? '';
  const path = rest === '' ? (method === 'OPTIONS' ? '*' : '/') : rest.startsWith('?') ? `/${rest}` : rest;
  return new RequestHead(
    method,
    targetScheme,
    authority,
    path,
    version,
    parser.fields,
    minor === 1 && isBodiless(parser) ? facts.upgrade : '',
    true,
  );
}

const noHost = new HeadFault('http1.codec_error', 'An HTTP/1.1 request has no Host (RFC 9112 3.2).');
const badHost = new HeadFault('http1.codec_error', 'Host is not a host with an optional port (RFC 9110 7.2).');
const otherHost = new HeadFault(
  'http1.codec_error',
  'Host differs from the host of the request target: one hop could take the one, and the next the other.',
);
const badForm = new HeadFault(
  'http1.invalid_url',
  'The request target has none of the four forms that its method may use (RFC 9112 3.2).',
);
const encodingIn10 = new HeadFault(
  'http1.transfer_encoding_not_allowed',
  'An HTTP/1.0 request has Transfer-Encoding (RFC 9112 6.1).',
);
const connectBody = new HeadFault('http1.body_disallowed', 'A CONNECT request announces a body (RFC 9110 9.3.6).');

/** An upgrade goes with a request that ends with its head; beside a body it is left out of account, as RFC 9110 7.8 allows. */
function isBodiless(parser: HeadParser): boolean {
  const { facts } = parser;
  return !facts.chunked && (facts.contentLength === noLength || facts.contentLength === 0);
}
