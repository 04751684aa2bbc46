/** How a pipe begins: what was read before it goes first, and counts for backpressure like the rest. */
import type { Socket } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { Pipe, type PipeOwner } from './pipe.ts';

function bench(): {
  readonly pipe: Pipe;
  readonly from: PassThrough;
  readonly told: string[];
  readonly take: () => void;
} {
  const told: string[] = [];
  const owner: PipeOwner = {
    onMoved: (_, bytes) => told.push(`moved ${bytes}`),
    onPaused: () => told.push('paused'),
    onResumed: () => told.push('resumed'),
    onEnded: () => told.push('ended'),
  };
  const waiting: Array<() => void> = [];
  const to = new Writable({ write: (_chunk, _encoding, done) => void waiting.push(done) });
  const from = new PassThrough();
  // As a session does with a side that has to wait for the other.
  from.pause();
  const pipe = new Pipe(from as unknown as Socket, to as unknown as Socket, owner, 1_000);
  return { pipe, from, told, take: () => waiting.shift()!() };
}

it('reads on after what was read before', () => {
  const { pipe, from, told } = bench();
  pipe.start(Buffer.alloc(10), false);
  expect(from.isPaused()).toBe(false);
  expect(told).toEqual(['moved 10']);
});

it('reads nothing more while the other side has not taken what was read before', async () => {
  const { pipe, from, told, take } = bench();
  pipe.start(Buffer.alloc(2_000), false);
  expect(from.isPaused()).toBe(true);
  expect(told).toEqual(['paused', 'moved 2000']);
  take();
  await new Promise((resolve) => setImmediate(resolve));
  expect(from.isPaused()).toBe(false);
  expect(told.at(-1)).toBe('resumed');
});
