import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameMessage, MessageReader } from './grpc-message.ts';

describe('gRPC message framing', () => {
  it('gives the messages back however the bytes are split (gRPC over HTTP2, Length-Prefixed-Message)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 20 }),
        (messages, cuts) => {
          const bytes = Buffer.concat(messages.map(frameMessage));
          const reader = new MessageReader(1024);
          const found: string[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const length = cuts[i % cuts.length]!;
            for (const message of reader.push(bytes.subarray(at, at + length))) found.push(message.toString('hex'));
            at += length;
          }
          expect(found).toEqual(messages.map((message) => Buffer.from(message).toString('hex')));
        },
      ),
    );
  });

  it('refuses a compressed message: none was asked for', () => {
    expect(() => new MessageReader(10).push(Buffer.from([1, 0, 0, 0, 0]))).toThrow('compressed');
  });

  it('refuses a broken prefix', () => {
    expect(() => new MessageReader(10).push(Buffer.from([7, 0, 0, 0, 0]))).toThrow('prefix is broken');
  });

  it('refuses a message over the limit by its prefix, before it is there', () => {
    expect(() => new MessageReader(10).push(Buffer.from([0, 0, 0, 0, 11]))).toThrow(
      'a message of 11 bytes came; the limit is 10',
    );
  });
});
