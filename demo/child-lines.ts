/** What a child process writes, line by line. */
import type { Readable } from 'node:stream';

/** A longer line comes in pieces. */
const maxChars = 64 * 1024;

/** `onLine` gets lines without their line break; the last one also when it has none. */
export function eachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) onLine(line);
    if (rest.length < maxChars) return;
    onLine(rest);
    rest = '';
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
  // Who ended in the middle of a line has said what it could.
  stream.on('error', () => {});
}
