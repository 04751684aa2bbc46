import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FirstBytes, FirstBytesReader, maxHelloBytes } from './client-hello.ts';

function uint(bytes: number, value: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return out;
}

const counted = (bytes: number, body: Buffer): Buffer => Buffer.concat([uint(bytes, body.length), body]);
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([uint(2, type), counted(2, body)]);

/** What is known after these, one after the other. */
function inspect(...chunks: readonly Buffer[]): FirstBytes {
  const reader = new FirstBytesReader();
  let seen: FirstBytes = 'more';
  for (const chunk of chunks) {
    seen = reader.add(chunk);
    if (seen !== 'more') break;
  }
  return seen;
}

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

describe('the first bytes of a connection', () => {
  it('reads server name and ALPN', () => {
    expect(inspect(hello('Orders.Shop', ['h2', 'http/1.1']))).toEqual({
      serverName: 'orders.shop',
      protocols: ['h2', 'http/1.1'],
    });
    expect(inspect(hello('', []))).toEqual({ serverName: '', protocols: [] });
  });

  it('knows what is not TLS from the first byte on', () => {
    for (const text of [
      'GET / HTTP/1.1\r\n',
      'PRI * HTTP/2.0',
      '\u0000',
      '\u0016\u0002',
      '\u0016\u0003\u0001\u0000\u0005\u0002',
    ])
      expect(inspect(Buffer.from(text, 'latin1'))).toBe('raw');
    expect(inspect(Buffer.alloc(0))).toBe('more');
  });

  it('wants more until the whole hello is there, wherever it is cut and however it is split into records', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.nat(1_000), (recordBytes, cut) => {
        const bytes = hello('orders.shop', ['h2'], recordBytes);
        expect(inspect(bytes)).toEqual({ serverName: 'orders.shop', protocols: ['h2'] });
        expect(inspect(bytes.subarray(0, cut % bytes.length))).toBe('more');
      }),
    );
  });

  it('reads no server name with NUL or anything else odd in it (hardening.md, identity)', () => {
    for (const name of ['orders.shop\u0000.evil', 'orders shop', 'örders'])
      expect(inspect(hello(name, []))).toMatchObject({ serverName: '' });
  });

  it('never throws, and never waits for more than 16 KiB', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), fc.nat(400), (noise, at) => {
        inspect(Buffer.from(noise));
        const bytes = hello('orders.shop', ['h2']);
        Buffer.from(noise).copy(bytes, at % bytes.length);
        inspect(bytes);
      }),
    );
    const endless = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]), Buffer.alloc(100)]);
    expect(inspect(endless)).toBe('raw');
  });

  it('says the same however the bytes come', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 20 }),
        (recordBytes, sizes) => {
          const bytes = Buffer.concat([hello('orders.shop', ['h2'], recordBytes), Buffer.alloc(50, 1)]);
          const chunks: Buffer[] = [];
          let at = 0;
          for (const size of sizes) {
            chunks.push(bytes.subarray(at, at + size));
            at += size;
          }
          chunks.push(bytes.subarray(at));
          expect(inspect(...chunks.filter(({ length }) => length > 0))).toEqual({
            serverName: 'orders.shop',
            protocols: ['h2'],
          });
        },
      ),
    );
  });

  it('takes a hello in records of one byte for none when their heads make it longer than 16 KiB', () => {
    // As 64 KiB in one read, this once kept the event loop for five seconds.
    const record = Buffer.from([22, 3, 1, 0, 1, 0]);
    const records = Array.from({ length: 10_900 }, () => Buffer.from(record));
    for (const [i, byte] of [1, 0, 0x3f, 0xe0].entries()) records[i]![5] = byte;
    const all = Buffer.concat(records);
    expect(inspect(all.subarray(0, maxHelloBytes - 1))).toBe('more');
    expect(inspect(all.subarray(0, maxHelloBytes))).toBe('raw');
    expect(inspect(all)).toBe('raw');
  });
});
