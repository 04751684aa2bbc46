/**
 * Where the demo's children write, in plain words: on a terminal through the screen, with requests that fail alike told once a second; elsewhere every line, to the stream that it came by.
 */
import { readableLine, requestKey } from '../cli/log-line.ts';
import type { Screen, ScreenOutput } from './screen.ts';

/** Kinds of failures that are told one by one; the others only counted. */
const maxKinds = 20;

export class ChildOutput {
  readonly #screen: Screen;
  readonly #streams: Readonly<Record<'stdout' | 'stderr', ScreenOutput>>;
  /** Told since the last tick. */
  readonly #told = new Set<string>();
  #leftOut = 0;

  constructor(screen: Screen, streams: Readonly<Record<'stdout' | 'stderr', ScreenOutput>>) {
    this.#screen = screen;
    this.#streams = streams;
  }

  line(source: string, stream: 'stdout' | 'stderr', line: string): void {
    const text = `  ${readableLine(line, source)}`;
    if (!this.#screen.isTerminal || this.#streams[stream].isTTY !== true) {
      this.#streams[stream].write(`${text}\n`);
      return;
    }
    const kind = requestKey(line);
    if (kind !== null && !this.#isNew(`${source} ${kind}`)) this.#leftOut++;
    else this.#screen.print(text);
  }

  /** To be called every second. */
  tick(): void {
    if (this.#leftOut > 0) this.#screen.print(`  … and ${this.#leftOut} more of them that failed alike`);
    this.#leftOut = 0;
    this.#told.clear();
  }

  #isNew(kind: string): boolean {
    if (this.#told.has(kind) || this.#told.size >= maxKinds) return false;
    this.#told.add(kind);
    return true;
  }
}
