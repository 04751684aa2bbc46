import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inspectFirstBytes } from './client-hello.ts';

function uint(bytes: number, value: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return out;
}

const counted = (bytes: number, body: Buffer): Buffer => Buffer.concat([uint(bytes, body.length), body]);
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([uint(2, type), counted(2, body)]);

/** A ClientHello in records of at most `recordBytes`. */
function hello(serverName: string, protocols: readonly string[], recordBytes = 16_384): Buffer {
  const extensions: Buffer[] = [extension(10, Buffer.from([0, 2, 0, 23]))];
  if (serverName !== '')
    extensions.push(
      extension(0, counted(2, Buffer.concat([Buffer.from([0]), counted(2, Buffer.from(serverName, 'latin1'))]))),
    );
  if (protocols.length > 0)
    extensions.push(
      extension(16, counted(2, Buffer.concat(protocols.map((protocol) => counted(1, Buffer.from(protocol)))))),
    );
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    counted(1, Buffer.alloc(32)),
    counted(2, Buffer.from([0x13, 1, 0x13, 2])),
    counted(1, Buffer.from([0])),
    counted(2, Buffer.concat(extensions)),
  ]);
  const message = Buffer.concat([Buffer.from([1]), counted(3, body)]);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += recordBytes)
    records.push(Buffer.concat([Buffer.from([22, 3, 1]), counted(2, message.subarray(at, at + recordBytes))]));
  return Buffer.concat(records);
}

describe('inspectFirstBytes', () => {
  it('reads server name and ALPN', () => {
    expect(inspectFirstBytes(hello('Orders.Shop', ['h2', 'http/1.1']))).toEqual({
      serverName: 'orders.shop',
      protocols: ['h2', 'http/1.1'],
    });
    expect(inspectFirstBytes(hello('', []))).toEqual({ serverName: '', protocols: [] });
  });

  it('knows what is not TLS from the first byte on', () => {
    for (const text of [
      'GET / HTTP/1.1\r\n',
      'PRI * HTTP/2.0',
      '\u0000',
      '\u0016\u0002',
      '\u0016\u0003\u0001\u0000\u0005\u0002',
    ])
      expect(inspectFirstBytes(Buffer.from(text, 'latin1'))).toBe('raw');
    expect(inspectFirstBytes(Buffer.alloc(0))).toBe('more');
  });

  it('wants more until the whole hello is there, wherever it is cut and however it is split into records', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.nat(1_000), (recordBytes, cut) => {
        const bytes = hello('orders.shop', ['h2'], recordBytes);
        expect(inspectFirstBytes(bytes)).toEqual({ serverName: 'orders.shop', protocols: ['h2'] });
        expect(inspectFirstBytes(bytes.subarray(0, cut % bytes.length))).toBe('more');
      }),
    );
  });

  it('reads no server name with NUL or anything else odd in it (hardening.md, identity)', () => {
    for (const name of ['orders.shop\u0000.evil', 'orders shop', 'örders'])
      expect(inspectFirstBytes(hello(name, []))).toMatchObject({ serverName: '' });
  });

  it('never throws, and never waits for more than 16 KiB', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), fc.nat(400), (noise, at) => {
        inspectFirstBytes(Buffer.from(noise));
        const bytes = hello('orders.shop', ['h2']);
        Buffer.from(noise).copy(bytes, at % bytes.length);
        inspectFirstBytes(bytes);
      }),
    );
    const endless = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]), Buffer.alloc(100)]);
    expect(inspectFirstBytes(endless)).toBe('raw');
  });
});
