import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { eachLine } from './child-lines.ts';
import { ChildOutput } from './child-output.ts';
import { Screen } from './screen.ts';

function output(isTTY: boolean): {
  readonly children: ChildOutput;
  readonly written: { stdout: string; stderr: string };
} {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({ isTTY, write: (text: string) => (written[name] += text) });
  const streams = { stdout: stream('stdout'), stderr: stream('stderr') };
  return { children: new ChildOutput(new Screen(streams.stdout), streams), written };
}

const start_time = '2026-01-02T12:03:41.512Z';
const failed = (id: number): string =>
  JSON.stringify({ start_time, method: 'GET', path: '/', authority: 'a', status: 503, flags: 'UF', request_id: id });

test('elsewhere than on a terminal every line goes, in words, to the stream that it came by', () => {
  const { children, written } = output(false);
  for (const id of [1, 2]) children.line('orders', 'stderr', failed(id));
  children.line('orders', 'stdout', '{"level":"info","message":"x"}');
  children.tick();
  expect(written).toEqual({
    stdout: '  info  orders: x\n',
    stderr: [1, 2].map((id) => `  12:03:41.512 orders: GET a/ → 503 UF, request ${id}\n`).join(''),
  });
});

test('on a terminal all goes to the screen, in words; requests that fail alike are one line a second', () => {
  const { children, written } = output(true);
  children.line('control plane', 'stderr', '{"level":"error","time":"","message":"p.yaml:3:1: broken"}');
  for (let i = 0; i < 5; i++) children.line('orders', 'stderr', failed(i));
  children.tick();
  children.tick();
  children.line('orders', 'stderr', failed(9));
  expect(written.stderr).toBe('');
  expect(written.stdout).toBe(
    [
      '  error control plane: p.yaml:3:1: broken',
      '  12:03:41.512 orders: GET a/ → 503 UF, request 0',
      '  … and 4 more of them that failed alike',
      '  12:03:41.512 orders: GET a/ → 503 UF, request 9',
      '',
    ].join('\n'),
  );
});

test('what a child writes is cut into lines, whatever the pieces; a line without end comes in pieces', async () => {
  const stream = new PassThrough();
  const lines: string[] = [];
  eachLine(stream, (line) => lines.push(line));
  for (const piece of ['a', 'b\nc', '\n\n', Buffer.from([0xc3]), Buffer.from([0xa9]), '\n', 'x'.repeat(200_000), 'end'])
    stream.write(piece);
  stream.end();
  await new Promise((resolve) => stream.once('end', resolve));
  expect(lines.slice(0, 4)).toEqual(['ab', 'c', '', 'é']);
  expect(lines.slice(4).join('')).toBe(`${'x'.repeat(200_000)}end`);
  expect(lines.length).toBeGreaterThan(5);
});
