import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plaintextProtocol } from './http-start.ts';

const of = (text: string): string => plaintextProtocol(Buffer.from(text, 'latin1'));

describe('the first bytes of plaintext', () => {
  it.each([
    ['GET / HTTP/1.1\r\n', 'http/1.1'],
    ['GET / HTTP/1.1\r\nhost: a\r\n\r\n', 'http/1.1'],
    ['POST /a HTTP/1.0\n', 'http/1.0'],
    ['CONNECT a:443 HTTP/1.1\r\n', 'http/1.1'],
    ['M-SEARCH * HTTP/1.1\r\n', 'http/1.1'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2c'],
    ['PRI * HTTP/2.0\r\n', 'more'],
    ['G', 'more'],
    ['GET ', 'more'],
    ['GET / HTTP/1.', 'more'],
    ['', 'more'],
    ['GET / HTTP/2.0\r\n', ''],
    ['GET / SPDY/1\r\n', ''],
    ['GETS / HTTP/1.1\r\n', ''],
    ['get / HTTP/1.1\r\n', ''],
    ['EHLO mail\r\n', ''],
    ['\u0000\u0000\u0000', ''],
    ['*1\r\n$4\r\nPING\r\n', ''],
  ])('%j is %j', (text, protocol) => {
    expect(of(text)).toBe(protocol);
  });

  it('does not wait for the end of a line that is too long: it is HTTP all the same', () => {
    expect(of(`GET /${'a'.repeat(20_000)}`)).toBe('http/1.1');
  });

  it('never takes a decision back, and never throws, whatever the bytes and however they come', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          fc.constantFrom('GET / HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n').map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          let decided = '';
          for (let length = 1; length <= bytes.length; length++) {
            const seen = plaintextProtocol(Buffer.from(bytes.subarray(0, length)));
            if (decided !== '') expect(seen).toBe(decided.slice(1));
            if (seen !== 'more') decided = `!${seen}`;
          }
        },
      ),
    );
  });
});
