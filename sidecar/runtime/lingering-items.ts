/**
 * What configurations name, each once by its key. One that none names any more stays for as long as connections of older configurations may last, and is the same again when it is named meanwhile; then it is closed. Where configurations
 * change faster than that, the oldest goes before its time.
 */
import { type TimerTarget, type TimerWheel, WheelTimer } from './timer-wheel.ts';

/** That linger at a time. */
const mostLingering = 16;

export class LingeringItems<Item> {
  readonly #wheel: TimerWheel;
  readonly #lingerMs: number;
  readonly #close: (item: Item) => Promise<void>;
  readonly #named = new Map<string, Item>();
  /** Oldest first. */
  readonly #lingering = new Map<string, Lingering<Item>>();
  /** That are being closed. */
  readonly #leaving = new Set<Promise<void>>();

  /** `close`: resolves when the item is over. */
  constructor(wheel: TimerWheel, lingerMs: number, close: (item: Item) => Promise<void>) {
    this.#wheel = wheel;
    this.#lingerMs = lingerMs;
    this.#close = close;
  }

  /** With those that are being closed. */
  get size(): number {
    return this.#named.size + this.#lingering.size + this.#leaving.size;
  }

  /** The one of that key, or what `make` makes. */
  get(key: string, make: () => Item): Item {
    const named = this.#named.get(key);
    if (named !== undefined) return named;
    const lingering = this.#lingering.get(key);
    if (lingering !== undefined) this.#endLingering(key, lingering);
    const item = lingering === undefined ? make() : lingering.item;
    this.#named.set(key, item);
    return item;
  }

  /** Those that are not named any more begin to linger. */
  retain(isNamed: (key: string) => boolean): void {
    for (const [key, item] of this.#named) {
      if (isNamed(key)) continue;
      this.#named.delete(key);
      const lingering = new Lingering(item, () => this.#leave(key));
      this.#lingering.set(key, lingering);
      this.#wheel.arm(lingering.timer, this.#lingerMs);
    }
    while (this.#lingering.size > mostLingering) this.#leave(this.#lingering.keys().next().value!);
  }

  #leave(key: string): void {
    const lingering = this.#lingering.get(key)!;
    this.#endLingering(key, lingering);
    const leaving = this.#close(lingering.item).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  #endLingering(key: string, { timer }: Lingering<Item>): void {
    this.#lingering.delete(key);
    if (timer.armed) this.#wheel.disarm(timer);
  }

  /** All of them, named or not; not those that are being closed. */
  all(): Item[] {
    return [...this.#named.values(), ...[...this.#lingering.values()].map(({ item }) => item)];
  }

  /** Closes all of them at once, in the way that is given, and waits for those that are being closed. */
  async closeAll(close: (item: Item) => Promise<void>): Promise<void> {
    const all = this.all();
    for (const [key, lingering] of this.#lingering) this.#endLingering(key, lingering);
    this.#named.clear();
    await Promise.all([...this.#leaving, ...all.map(close)]);
  }
}

class Lingering<Item> implements TimerTarget {
  readonly item: Item;
  readonly timer = new WheelTimer(this);
  readonly #onOver: () => void;

  constructor(item: Item, onOver: () => void) {
    this.item = item;
    this.#onOver = onOver;
  }

  onTimer(): void {
    this.#onOver();
  }
}
