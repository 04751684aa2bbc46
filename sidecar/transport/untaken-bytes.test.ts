import { afterEach, describe, expect, it } from 'vitest';
import { type SocketPair, socketPair } from './test/socket-pair.ts';
import { untakenBytes } from './untaken-bytes.ts';

let pair: SocketPair;
afterEach(() => pair.close());

describe('untakenBytes', () => {
  for (const tls of [false, true]) {
    it(`sees a slow reader take part of one large write, ${tls ? 'by TLS' : 'plain'}, which writableLength does not`, async () => {
      pair = await socketPair(tls);
      const { near, far } = pair;
      expect(untakenBytes(near)).toBe(0);
      let got = 0;
      far.on('data', (chunk: Buffer) => {
        got += chunk.length;
      });
      far.pause();
      const bytes = 64 * 1024 * 1024;
      near.write(Buffer.alloc(bytes));
      // Until the kernels have what they take of it without being read.
      let last = -1;
      for (let same = 0; same < 20; ) {
        await new Promise(setImmediate);
        const now = untakenBytes(near);
        same = now === last ? same + 1 : 0;
        last = now;
      }
      const waiting = near.writableLength;
      expect(waiting).toBe(bytes);
      far.resume();
      while (untakenBytes(near) === last) await new Promise(setImmediate);
      expect(near.writableLength).toBe(waiting);
      while (got < bytes) await new Promise(setImmediate);
      while (untakenBytes(near) > 0) await new Promise(setImmediate);
    });
  }
});
