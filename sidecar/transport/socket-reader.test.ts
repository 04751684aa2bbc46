import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { holdLoan, type LoanBlock, loan, releaseLoan, returnBytes } from './read-loan.ts';
import { readAccepted, SocketReader } from './socket-reader.ts';

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

/** Both ends of a connection: one that writes, one that is read by a SocketReader of the kind asked for. */
async function pair(kind: 'accepted' | 'connected'): Promise<{ writer: Socket; reader: Socket; accepted: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  const taken = new Promise<{ accepted: Socket; socket: Socket }>((resolve) => {
    server.once('connection', (accepted) => {
      resolve({ accepted, socket: kind === 'accepted' ? readAccepted(accepted) : accepted });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const source = new SocketReader();
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true, onread: source.onread });
  source.attach(client);
  const { accepted, socket } = await taken;
  server.close();
  open.push(client, socket, accepted);
  return kind === 'accepted'
    ? { writer: client, reader: socket, accepted }
    : { writer: socket, reader: client, accepted };
}

function pattern(bytes: number): Buffer {
  const all = Buffer.allocUnsafe(bytes);
  let state = 1;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    all[i] = state >>> 16;
  }
  return all;
}

/** What a consumer may do with the bytes of a read. */
const consumers: Record<string, (chunk: Buffer, turn: number, held: LoanBlock[]) => void> = {
  'keeps everything': () => {},
  'gives everything back': (chunk) => {
    if (loan.bytes !== null) returnBytes(chunk);
  },
  'gives every second read back': (chunk, turn) => {
    if (turn % 2 === 0) returnBytes(chunk);
  },
  'gives all but one byte back': (chunk) => returnBytes(chunk.subarray(1)),
  'gives back what another holds for a while': (chunk, _turn, held) => {
    const block = holdLoan(chunk);
    if (block !== null) held.push(block);
    returnBytes(chunk);
  },
};

for (const kind of ['accepted', 'connected'] as const) {
  for (const [name, consume] of Object.entries(consumers)) {
    test(`no byte that is in use is overwritten: ${kind} socket, who listens ${name}`, async () => {
      const { writer, reader } = await pair(kind);
      const sent = pattern(3 * 1024 * 1024 + 17);
      const checks: Array<{ at: number; chunk: Buffer; copy: Buffer }> = [];
      const held: Array<{ block: LoanBlock; from: number }> = [];
      let got = 0;
      let turn = 0;
      reader.on('data', (chunk: Buffer) => {
        expect(chunk.equals(sent.subarray(got, got + chunk.length))).toBe(true);
        const mayKeep =
          name === 'keeps everything' ||
          name === 'gives all but one byte back' ||
          (turn % 2 === 1 && name.includes('second'));
        if (mayKeep) checks.push({ at: got, chunk, copy: Buffer.from(chunk) });
        got += chunk.length;
        const blocks: LoanBlock[] = [];
        consume(chunk, turn, blocks);
        for (const block of blocks) held.push({ block, from: turn });
        // What is held is intact until it is let go, three reads later.
        if (held.length > 0 && held[0]!.from + 3 < turn) releaseLoan(held.shift()!.block);
        turn++;
      });
      const ended = once(reader, 'end');
      for (let at = 0, step = 1; at < sent.length; at += step) {
        step = Math.min(step * 3, 700_000);
        if (!writer.write(sent.subarray(at, at + step))) await once(writer, 'drain');
      }
      writer.end();
      await ended;
      expect(got).toBe(sent.length);
      for (const { chunk, copy } of checks) expect(chunk.equals(copy)).toBe(true);
    });
  }
}

test('a pause stops the reading at once, a resume goes on', async () => {
  const { writer, reader } = await pair('accepted');
  const first = once(reader, 'data');
  writer.write('a');
  await first;
  reader.pause();
  const seen: string[] = [];
  reader.removeAllListeners('data');
  reader.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
  reader.pause();
  writer.write('b');
  writer.end();
  await once(writer, 'finish');
  await new Promise((resolve) => setImmediate(resolve));
  expect(seen).toEqual([]);
  const ended = once(reader, 'end');
  reader.resume();
  await ended;
  expect(seen).toEqual(['b']);
});

test('an accepted socket and the one that it was moved to end together, and the server knows', async () => {
  for (const first of ['reader', 'accepted'] as const) {
    const ends = await pair('accepted');
    expect(ends.reader).not.toBe(ends.accepted);
    const closed = Promise.all([once(ends.reader, 'close'), once(ends.accepted, 'close'), once(ends.writer, 'close')]);
    ends.writer.resume();
    ends.writer.on('end', () => ends.writer.end());
    ends[first].destroy();
    await closed;
  }
});

test('a socket of which something was read stays as it is', async () => {
  const { writer, reader } = await pair('connected');
  writer.unshift(Buffer.from('x'));
  expect(readAccepted(writer)).toBe(writer);
  reader.destroy();
});
