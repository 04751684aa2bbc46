/** What a file does about a system that writes in part, fails, or takes nothing for now. */
import { beforeEach, expect, test } from 'vitest';
import { type FileSystem, LogFile } from './log-file.ts';

type Written = Parameters<FileSystem['write']>[5];

/** One call of write(2) that is under way. */
let call: { readonly text: string; readonly done: Written } | null;
let onDisk: string;
let closed: number;
let later: Array<() => void>;
let told: string[];
let file: LogFile;

const system: FileSystem = {
  write: (_fd, bytes, offset, length, _position, done) => {
    expect(call).toBeNull();
    call = { text: bytes.toString('latin1', offset, offset + length), done };
  },
  close: (_fd, done) => {
    closed++;
    done();
  },
  after: (_delayMs, callback) => void later.push(callback),
};
/** The system takes so many bytes of what it was given. */
const takes = (bytes = Infinity): void => {
  const { text, done } = call!;
  call = null;
  onDisk += text.slice(0, bytes);
  done(null, Math.min(bytes, text.length));
};
const fails = (code: string): void => {
  const { done } = call!;
  call = null;
  done(Object.assign(new Error(code), { code }), 0);
};
const write = (text: string): void =>
  file.write(
    Buffer.from(text),
    (error) => void told.push(`${text.trim()} ${error === null ? 'written' : error.message}`),
  );

beforeEach(() => {
  call = null;
  onDisk = '';
  closed = 0;
  later = [];
  told = [];
  file = new LogFile(7, null, (error, torn) => void told.push(`${error.message}${torn ? ', torn' : ''}`), system);
});

test('chunks are written one after the other, and what was written in part goes on', () => {
  write('one\n');
  write('two\n');
  expect(file.waitingBytes).toBe(8);
  takes(2);
  takes();
  expect([told, file.waitingBytes]).toEqual([['one written'], 4]);
  takes(3);
  takes(1);
  expect([onDisk, told, file.waitingBytes]).toEqual(['one\ntwo\n', ['one written', 'two written'], 0]);
});

test.each([
  [3, 'one\ntw', 'ENOSPC, torn'],
  [0, 'one\n', 'ENOSPC'],
])(
  'after an error, with %i bytes of the chunk written, all that waits is lost, once, and it is closed',
  (bytes, text, last) => {
    write('one\n');
    write('two\n');
    write('three\n');
    takes();
    if (bytes > 0) takes(bytes - 1);
    fails('ENOSPC');
    expect([onDisk, file.waitingBytes, closed]).toEqual([text, 0, 1]);
    expect(told).toEqual(['one written', 'two ENOSPC', 'three ENOSPC', last]);
  },
);

test('a chunk that is cut at the end of a line tears nothing', () => {
  write('one\ntwo\n');
  takes(4);
  fails('EIO');
  expect(told.at(-1)).toBe('EIO');
});

test('what takes nothing for now (EAGAIN) is tried again, nothing is lost, and nobody waits for it', () => {
  let waited = 0;
  write('one\n');
  file.whenWritten(() => waited++);
  takes(1);
  expect(waited).toBe(0);
  fails('EAGAIN');
  expect([waited, later.length, file.waitingBytes]).toEqual([1, 1, 4]);
  write('two\n');
  expect(call).toBeNull();
  later[0]!();
  takes();
  takes();
  expect([onDisk, told]).toEqual(['one\ntwo\n', ['one written', 'two written']]);
});

test('one that is ended while nothing is taken is not closed before what waits is written', () => {
  write('one\n');
  fails('EAGAIN');
  file.end(() => void told.push('ended'));
  expect([told, closed]).toEqual([[], 0]);
  later[0]!();
  takes();
  expect([told, closed, onDisk]).toEqual([['one written', 'ended'], 1, 'one\n']);
});

test('one that fails, or could not be opened, is ended too', () => {
  write('one\n');
  file.end(() => void told.push('ended'));
  fails('EIO');
  expect([told.at(-1), closed]).toEqual(['ended', 1]);
  new LogFile(null, new Error('ENOENT'), () => {}, system).end(() => void told.push('ended as well'));
  expect([told.at(-1), closed]).toEqual(['ended as well', 1]);
});

test('a system that writes nothing, and says no error, is not asked forever', () => {
  write('one\n');
  takes(0);
  expect(told).toEqual(['one nothing of it was written', 'nothing of it was written']);
});

test('what was handed over is written before it is closed; nothing is taken behind that', async () => {
  let waited = 0;
  write('one\n');
  write('two\n');
  file.whenWritten(() => waited++);
  file.end(() => void told.push('ended'));
  takes();
  expect([waited, closed]).toEqual([0, 0]);
  takes();
  expect([waited, closed, onDisk]).toEqual([1, 1, 'one\ntwo\n']);
  expect(told).toEqual(['one written', 'two written', 'ended']);
  write('late\n');
  await new Promise((resolve) => setImmediate(resolve));
  expect(told.at(-1)).toBe('late it is closed');
});

test('one that could not be opened tells why, and then what is lost by it', async () => {
  file = new LogFile(null, new Error('ENOENT'), (error) => void told.push(error.message), system);
  write('one\n');
  await new Promise<void>((resolve) => file.whenWritten(resolve));
  expect([told, closed]).toEqual([['ENOENT', 'one ENOENT'], 0]);
});
