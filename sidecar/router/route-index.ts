/**
 * Which routes of a virtual host could match a path, in their order, found by hashing instead of trying all: by the exact path, by its beginning of each length that occurs
 * among the prefixes, and those that must always be tried (regular expressions, `*`).
 */
import type { RequestHead } from '../codec/message-head.ts';
import type { RouteEntry } from './route-entry.ts';

export class RouteIndex {
  readonly #routes: readonly RouteEntry[];
  readonly #exact = new PathMap();
  readonly #prefixes = new PathMap();
  readonly #foldedExact = new PathMap();
  readonly #foldedPrefixes = new PathMap();
  readonly #always: number[] = [];
  /** Lists that hold candidates for the path in hand, and how far each is tried. Kept so that nothing is made per request. */
  readonly #lists: Array<readonly number[]> = [];
  readonly #at: number[] = [];

  constructor(routes: readonly RouteEntry[]) {
    this.#routes = routes;
    for (const [at, { config }] of routes.entries()) {
      const { path, caseSensitive } = config.match;
      if (path.kind === 'regex' || path.value === '' || path.value === '/') this.#always.push(at);
      else if (path.kind === 'exact')
        (caseSensitive ? this.#exact : this.#foldedExact).add(
          caseSensitive ? path.value : path.value.toLowerCase(),
          at,
        );
      else
        (caseSensitive ? this.#prefixes : this.#foldedPrefixes).add(
          caseSensitive ? path.value : path.value.toLowerCase(),
          at,
        );
    }
  }

  /** The first route that matches. `path` is without the query. */
  find(head: RequestHead, path: string): RouteEntry | null {
    const lists = this.#lists;
    lists.length = 0;
    if (this.#always.length > 0) lists.push(this.#always);
    this.#exact.collectExact(path, lists);
    this.#prefixes.collectPrefixes(path, lists);
    if (this.#foldedExact.size + this.#foldedPrefixes.size > 0) {
      const folded = path.toLowerCase();
      this.#foldedExact.collectExact(folded, lists);
      this.#foldedPrefixes.collectPrefixes(folded, lists);
    }
    return this.#tryInOrder(head, path);
  }

  /** Merges the lists, each of which is in order, as far as needed. */
  #tryInOrder(head: RequestHead, path: string): RouteEntry | null {
    const lists = this.#lists;
    const at = this.#at;
    for (let i = 0; i < lists.length; i++) at[i] = 0;
    for (;;) {
      let from = -1;
      let first = Infinity;
      for (let i = 0; i < lists.length; i++) {
        const next = lists[i]![at[i]!];
        if (next !== undefined && next < first) {
          first = next;
          from = i;
        }
      }
      if (from < 0) return null;
      at[from]!++;
      const route = this.#routes[first]!;
      if (route.matches(head, path)) return route;
    }
  }
}

/** Positions of routes by path, in order. */
class PathMap {
  readonly #map = new Map<string, number[]>();
  #lengths: number[] = [];

  get size(): number {
    return this.#map.size;
  }

  add(path: string, at: number): void {
    const list = this.#map.get(path);
    if (list !== undefined) {
      list.push(at);
      return;
    }
    this.#map.set(path, [at]);
    if (!this.#lengths.includes(path.length)) this.#lengths = [...this.#lengths, path.length].toSorted((a, b) => a - b);
  }

  collectExact(path: string, to: Array<readonly number[]>): void {
    if (this.#map.size === 0) return;
    const list = this.#map.get(path);
    if (list !== undefined) to.push(list);
  }

  collectPrefixes(path: string, to: Array<readonly number[]>): void {
    const lengths = this.#lengths;
    for (let i = 0; i < lengths.length && lengths[i]! <= path.length; i++) {
      const list = this.#map.get(path.slice(0, lengths[i]!));
      if (list !== undefined) to.push(list);
    }
  }
}
