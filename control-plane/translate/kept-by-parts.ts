/** Values derived from several parts of the model, each kept as long as all of these parts live: the same parts and the same text give the same object. */

interface Branch<T> {
  readonly byPart: WeakMap<object, Branch<T>>;
  readonly byText: Map<string, T>;
}

const branch = <T>(): Branch<T> => ({ byPart: new WeakMap(), byText: new Map() });

export class KeptByParts<T> {
  readonly #root: Branch<T> = branch();

  /** `text` tells apart what does not depend on a part, and should be one of few. */
  get(parts: readonly object[], text: string, make: () => T): T {
    let here = this.#root;
    for (const part of parts) {
      let next = here.byPart.get(part);
      if (next === undefined) {
        next = branch();
        here.byPart.set(part, next);
      }
      here = next;
    }
    let value = here.byText.get(text);
    if (value === undefined) {
      value = make();
      here.byText.set(text, value);
    }
    return value;
  }
}
