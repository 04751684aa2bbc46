/** Numbers by text: those filed under the whole of it, and under beginnings of it. For finding the few of many rules that a text can fulfil. */
export class TextIndex {
  readonly #exact = new Map<string, number[]>();
  readonly #prefixes = new Map<string, number[]>();
  /** Lengths that occur among the prefixes, ascending. */
  #lengths: readonly number[] = [];

  /** Numbers come in ascending order. */
  add(text: string, prefix: boolean, number: number): void {
    const map = prefix ? this.#prefixes : this.#exact;
    const list = map.get(text);
    if (list !== undefined) {
      if (list.at(-1) !== number) list.push(number);
      return;
    }
    map.set(text, [number]);
    if (prefix && !this.#lengths.includes(text.length))
      this.#lengths = [...this.#lengths, text.length].toSorted((a, b) => a - b);
  }

  collect(text: string, to: Array<readonly number[]>): void {
    const exact = this.#exact.get(text);
    if (exact !== undefined) to.push(exact);
    const lengths = this.#lengths;
    for (let i = 0; i < lengths.length && lengths[i]! <= text.length; i++) {
      const list = this.#prefixes.get(text.slice(0, lengths[i]!));
      if (list !== undefined) to.push(list);
    }
  }
}
