/**
 * The sidecar's own log: one event a line on stderr, JSON unless on a terminal. Not the access log. Small on purpose: a logging library
 * would cost more memory than all else that this does.
 */
import type { Clock } from './clock.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'off'] as const;
export type LogLevel = (typeof logLevels)[number];

export class Log {
  readonly #clock: Clock;
  readonly #write: (line: string) => void;
  readonly #json: boolean;
  readonly #source: string;
  #threshold: number;

  /** `write` takes a whole line with its line break. `source`: who says it, where others write to the same place; '': nobody else does. */
  constructor(clock: Clock, level: LogLevel, json: boolean, write: (line: string) => void, source = '') {
    this.#source = source;
    this.#clock = clock;
    this.#threshold = logLevels.indexOf(level);
    this.#json = json;
    this.#write = write;
  }

  get level(): LogLevel {
    return logLevels[this.#threshold]!;
  }

  set level(level: LogLevel) {
    this.#threshold = logLevels.indexOf(level);
  }

  /** Someone must act. */
  error(message: string): void {
    this.#line(4, message);
  }

  /** Will become an error. */
  warn(message: string): void {
    this.#line(3, message);
  }

  /** What an operator would tell a colleague. */
  info(message: string): void {
    this.#line(2, message);
  }

  debug(message: string): void {
    this.#line(1, message);
  }

  #line(level: number, message: string): void {
    if (level < this.#threshold) return;
    const time = new Date(this.#clock.wallMs()).toISOString();
    const name = logLevels[level]!;
    const source = this.#source;
    if (this.#json)
      this.#write(
        `${JSON.stringify(source === '' ? { time, level: name, message } : { time, level: name, source, message })}\n`,
      );
    else
      this.#write(
        `${time.slice(11, 23)} ${name.padEnd(5)} ${source === '' ? '' : `${source}: `}${escapeControls(message)}\n`,
      );
  }
}

/** Peers' bytes may stand in messages: no control character reaches a terminal (hardening.md, "text injected into logs"). */
export function escapeControls(text: string): string {
  return text.replace(
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    /[\u0000-\u001f\u007f-\u009f]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
