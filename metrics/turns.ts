/** Who makes something in pieces takes turns with all others who do: in one turn of the event loop only one of them makes one, however many they are, and everything else goes on in between. */
export class Turns {
  readonly #waiting: Array<() => void> = [];

  /** Comes back when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1) setImmediate(this.#give);
    });
  }

  readonly #give = (): void => {
    this.#waiting.shift()!();
    if (this.#waiting.length > 0) setImmediate(this.#give);
  };
}
