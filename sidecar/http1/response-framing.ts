/** How the body of a response is framed, from its head and the request that it answers (RFC 9112 6.3). What is ambiguous is refused. */
import { noLength } from './field-facts.ts';
import { HeadFault } from './head-fault.ts';
import type { HeadParser } from './head-parser.ts';

export type ResponseBody = 'informational' | 'tunnel' | 'none' | 'counted' | 'chunked' | 'until-close';

/** Reads the results of `parser.parseResponse`. `upgrade`: the token that the request asked for, or ''. */
export function responseBody(parser: HeadParser, method: string, upgrade: string): ResponseBody | HeadFault {
  const { status, facts } = parser;
  const { contentLength, chunked } = facts;
  if (status < 200) {
    if (chunked || contentLength > 0) return bodyDisallowed;
    if (status !== 101) return 'informational';
    return upgrade === '' ? unasked : 'tunnel';
  }
  if (chunked && parser.minor === 0) return encodingIn10;
  // Here, and here alone, the RFC bids to leave framing fields out of account (RFC 9110 9.3.6).
  if (status < 300 && method === 'CONNECT' && upgrade === '') return 'tunnel';
  if (status === 204 && (chunked || contentLength > 0)) return bodyDisallowed;
  if (status === 204 || status === 304 || method === 'HEAD' || contentLength === 0) return 'none';
  if (chunked) return 'chunked';
  return contentLength === noLength ? 'until-close' : 'counted';
}

const bodyDisallowed = new HeadFault(
  'http1.body_disallowed',
  'A response that can have no body announces one (RFC 9110 8.6, RFC 9112 6.1).',
);
const unasked = new HeadFault('http1.codec_error', 'A 101 came although no upgrade was asked for (RFC 9110 15.2.2).');
const encodingIn10 = new HeadFault(
  'http1.transfer_encoding_not_allowed',
  'An HTTP/1.0 response has Transfer-Encoding (RFC 9112 6.1).',
);
