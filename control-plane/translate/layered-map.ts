/** Two maps seen as one, without copying: what all proxies share, and the little that is one proxy's own. Keys occur in one of them only. */

export class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  readonly #base: ReadonlyMap<K, V>;
  readonly #own: ReadonlyMap<K, V>;

  constructor(base: ReadonlyMap<K, V>, own: ReadonlyMap<K, V>) {
    this.#base = base;
    this.#own = own;
  }

  get size(): number {
    return this.#base.size + this.#own.size;
  }

  get(key: K): V | undefined {
    return this.#own.get(key) ?? this.#base.get(key);
  }

  has(key: K): boolean {
    return this.#own.has(key) || this.#base.has(key);
  }

  *entries(): MapIterator<[K, V]> {
    yield* this.#base.entries();
    yield* this.#own.entries();
  }

  *keys(): MapIterator<K> {
    yield* this.#base.keys();
    yield* this.#own.keys();
  }

  *values(): MapIterator<V> {
    yield* this.#base.values();
    yield* this.#own.values();
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this) callback(value, key, this);
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }
}
