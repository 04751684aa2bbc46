/** Sinks for tests: lines go to a list. */
import type { AccessLogSinks, LineWriter } from '../../connection-manager/http-context.ts';
import { LineBuffer } from '../line-buffer.ts';

export function linesTo(lines: { push(line: string): unknown }): AccessLogSinks {
  return {
    open: () => ({
      write: (format, item) => {
        const line = new LineBuffer();
        format(item, line);
        lines.push(line.take());
      },
    }),
    openService: () => {
      throw new Error('no service in this test');
    },
  };
}

/** A line as it stands. */
export function writeLine(writer: LineWriter, line: string): void {
  writer.write((text, out) => out.raw(text), line);
}
