/** Lines for the operator, each told once however often its reason is met. Bounded: whoever can make up reasons cannot fill memory or the log. */

export class ToldOnce {
  readonly #tell: (line: string) => void;
  readonly #mostLines: number;
  readonly #told = new Set<string>();

  constructor(tell: (line: string) => void, mostLines = 100) {
    this.#tell = tell;
    this.#mostLines = mostLines;
  }

  tell(line: string): void {
    if (this.#told.has(line) || this.#told.size > this.#mostLines) return;
    this.#told.add(line);
    this.#tell(line);
  }
}
