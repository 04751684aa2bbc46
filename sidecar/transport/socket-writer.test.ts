import { once } from 'node:events';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { maxCopiedBytes, outputSlab } from './output-slab.ts';
import { SocketWriter, type SocketWriterOwner } from './socket-writer.ts';
import { type SocketPair, socketPair } from './test/socket-pair.ts';

class Owner implements SocketWriterOwner {
  readonly events: string[] = [];
  onWriteBlocked(): void {
    this.events.push('blocked');
  }
  onWriteReady(): void {
    this.events.push('ready');
  }
}

const pairs: SocketPair[] = [];
afterEach(async () => {
  for (const pair of pairs.splice(0)) await pair.close();
});

async function open(tls = false): Promise<SocketPair> {
  const pair = await socketPair(tls);
  pairs.push(pair);
  return pair;
}

/** Gathers what arrives at the far end. */
class Arrivals {
  #text = '';
  #wanted = 0;
  #wake: (text: string) => void = () => {};

  constructor(pair: SocketPair) {
    pair.far.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#check();
    });
  }

  /** The next so many bytes. */
  next(bytes: number): Promise<string> {
    return new Promise((resolve) => {
      this.#wanted = bytes;
      this.#wake = resolve;
      this.#check();
    });
  }

  #check(): void {
    if (this.#text.length < this.#wanted) return;
    const text = this.#text.slice(0, this.#wanted);
    this.#text = this.#text.slice(this.#wanted);
    this.#wanted = Infinity;
    this.#wake(text);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('SocketWriter', () => {
  it('knows what the socket was given, and forgets the rest when told', async () => {
    const pair = await open();
    const writer = new SocketWriter(pair.near, new Owner(), 1 << 20, 1 << 18);
    writer.writeLatin1('kept');
    writer.flush();
    const { position } = writer;
    expect([position, writer.handedOverBytes]).toEqual([4, 4]);
    writer.writeLatin1('forgotten');
    writer.writeBytes(Buffer.alloc(maxCopiedBytes + 1));
    expect([writer.position, writer.handedOverBytes]).toEqual([14 + maxCopiedBytes, 4]);
    writer.discard();
    expect(writer.position).toBe(4);
    writer.writeLatin1('!');
    writer.flush();
    expect(writer.handedOverBytes).toBe(5);
    expect(await new Arrivals(pair).next(5)).toBe('kept!');
    pair.near.destroy();
    writer.writeLatin1('lost');
    writer.flush();
    expect([writer.position, writer.handedOverBytes]).toEqual([5, 5]);
  });

  it('hands one turn of writes to the socket in one call, in order', async () => {
    const pair = await open();
    const writer = new SocketWriter(pair.near, new Owner(), 1 << 20, 1 << 18);
    let calls = 0;
    const original = pair.near.write.bind(pair.near);
    pair.near.write = ((chunk: Buffer) => {
      calls++;
      return original(chunk);
    }) as typeof pair.near.write;
    writer.writeLatin1('HTTP/1.1 200 OK\r\n');
    writer.writeBytes(Buffer.from('content-length: 2\r\n\r\n'));
    writer.writeLatin1('hi');
    expect(calls).toBe(0);
    expect(await new Arrivals(pair).next(40)).toBe('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
    expect(calls).toBe(1);
  });

  for (const tls of [false, true]) {
    it(`keeps the bytes of connections that write side by side apart and in order (${tls ? 'TLS' : 'plain'})`, async () => {
      const three = [await open(tls), await open(tls), await open(tls)];
      const arrivals = three.map((pair) => new Arrivals(pair));
      const writers = three.map(({ near }) => new SocketWriter(near, new Owner(), 1 << 20, 1 << 18));
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              to: fc.nat(2),
              bytes: fc.oneof(
                fc.integer({ min: 1, max: 300 }),
                fc.integer({ min: maxCopiedBytes - 2, max: maxCopiedBytes * 3 }),
              ),
              way: fc.nat(3),
            }),
            {
              minLength: 1,
              maxLength: 60,
              size: 'max',
            },
          ),
          async (writes) => {
            const expected = ['', '', ''];
            const arrived = Promise.all(
              arrivals.map((arrival, i) =>
                arrival.next(writes.reduce((sum, { to, bytes }) => sum + (to === i ? bytes : 0), 0)),
              ),
            );
            for (const [n, { to, bytes, way }] of writes.entries()) {
              const text = String.fromCharCode(33 + (n % 90)).repeat(bytes);
              expected[to] += text;
              if (way === 0 || bytes > maxCopiedBytes) writers[to]!.writeBytes(Buffer.from(text, 'latin1'));
              else if (way === 1) writers[to]!.writeLatin1(text);
              else {
                const at = writers[to]!.reserve(bytes);
                outputSlab.buffer.write(text, at, bytes, 'latin1');
                if (way === 3) writers[to]!.flush();
              }
              if (n % 17 === 16) await turn();
            }
            expect(await arrived).toEqual(expected);
          },
        ),
        { numRuns: 25 },
      );
    });
  }

  it('uses the same block of the slab again when everything was taken, plain and TLS', async () => {
    for (const tls of [false, true]) {
      const pair = await open(tls);
      const writer = new SocketWriter(pair.near, new Owner(), 1 << 20, 1 << 18);
      pair.far.resume();
      // A block of its own: other tests left regions of the last one behind.
      outputSlab.ensure(outputSlab.buffer.length);
      const { buffer } = outputSlab;
      for (let i = 0; i < 100; i++) {
        writer.writeLatin1('x'.repeat(2_000));
        await turn();
        // TLS is busy until its record is written: give it the turn that a response would take.
        while (pair.near.writableLength > 0) await turn();
      }
      expect(outputSlab.buffer === buffer).toBe(true);
    }
  });

  it('tells blocked above the high mark and ready below the low one, alternating', async () => {
    const pair = await open();
    const owner = new Owner();
    const writer = new SocketWriter(pair.near, owner, 64 * 1024, 16 * 1024);
    pair.far.pause();
    for (let i = 0; i < 200; i++) {
      writer.writeBytes(Buffer.alloc(100_000));
      if (i % 10 === 0) await turn();
    }
    expect(writer.blocked).toBe(true);
    pair.far.resume();
    while (writer.blocked) await turn();
    // The kernel took some at first: blocked, ready, blocked … and ready at last.
    expect(owner.events.length % 2).toBe(0);
    owner.events.forEach((event, i) => expect(event).toBe(i % 2 === 0 ? 'blocked' : 'ready'));
    expect(writer.bufferedBytes).toBeLessThanOrEqual(16 * 1024);
  });

  it("tells ready also when its high mark is below the socket's own, so that 'drain' never comes", async () => {
    for (const tls of [false, true]) {
      const pair = await open(tls);
      const owner = new Owner();
      const writer = new SocketWriter(pair.near, owner, 4_096, 1_024);
      pair.far.resume();
      writer.writeBytes(Buffer.alloc(10_000));
      expect(writer.blocked).toBe(true);
      while (writer.blocked) await turn();
      expect(owner.events).toEqual(['blocked', 'ready']);
    }
  });

  it('sends FIN behind what was written, and drops later writes', async () => {
    const pair = await open();
    const writer = new SocketWriter(pair.near, new Owner(), 1 << 20, 1 << 18);
    const chunks: Buffer[] = [];
    pair.far.on('data', (chunk: Buffer) => chunks.push(chunk));
    writer.writeLatin1('last words');
    writer.end();
    writer.writeLatin1('too late');
    await once(pair.far, 'end');
    expect(Buffer.concat(chunks).toString()).toBe('last words');
  });

  it('survives a socket that was destroyed under it', async () => {
    const pair = await open();
    const writer = new SocketWriter(pair.near, new Owner(), 1 << 20, 1 << 18);
    writer.writeLatin1('unsent');
    pair.near.destroy();
    writer.writeLatin1('unsent too');
    await turn();
    writer.end();
    expect(pair.near.destroyed).toBe(true);
  });
});
