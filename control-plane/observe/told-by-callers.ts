/** What callers' sidecars tell of the services that they call, by destination: so that a service's own view is compared with those alone who call it. */

interface Told {
  readonly sources: Set<string>;
  plain: number;
}

export class ToldByCallers {
  readonly #byDestination = new Map<string, Told>();

  /** `plain`: how much of it is without mTLS. */
  add(source: string, destination: string, plain: number): void {
    let told = this.#byDestination.get(destination);
    if (told === undefined) this.#byDestination.set(destination, (told = { sources: new Set(), plain: 0 }));
    told.sources.add(source);
    told.plain += plain;
  }

  /** Whether the caller tells of calls to one of these. */
  tells(source: string, destinations: Iterable<string>): boolean {
    for (const destination of destinations)
      if (this.#byDestination.get(destination)?.sources.has(source) === true) return true;
    return false;
  }

  /** Of all callers together, to all of these. */
  plain(destinations: Iterable<string>): number {
    let plain = 0;
    for (const destination of destinations) plain += this.#byDestination.get(destination)?.plain ?? 0;
    return plain;
  }
}
