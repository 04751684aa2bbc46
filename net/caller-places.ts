/**
 * Who may have a connection to a small port that anybody can reach (probes, webhook), so that nobody keeps the others out: when it is full, the connection that has rested longest makes place, and
 * no address has more than its share. Has no clock and closes nothing itself: limits of time are its owner's.
 */

export interface CallerBounds {
  readonly maxConnections: number;
  readonly maxPerAddress: number;
}

interface Place {
  readonly address: string;
  working: boolean;
}

export class CallerPlaces<Connection> {
  readonly #bounds: CallerBounds;
  readonly #evict: (connection: Connection) => void;
  /** In the order in which they came to rest; who works keeps the place that it had. */
  readonly #places = new Map<Connection, Place>();
  readonly #byAddress = new Map<string, number>();

  /** `evict`: is to close the connection, whose place is free already. */
  constructor(bounds: CallerBounds, evict: (connection: Connection) => void) {
    this.#bounds = bounds;
    this.#evict = evict;
  }

  get size(): number {
    return this.#places.size;
  }

  /** A connection has come, and rests until it asks something. False: there is no place for it, as all those of its address work. */
  enter(connection: Connection, address: string): boolean {
    const { maxConnections, maxPerAddress } = this.#bounds;
    if ((this.#byAddress.get(address) ?? 0) >= maxPerAddress) {
      if (!this.#free(this.#longestResting(address))) return false;
    } else if (this.#places.size >= maxConnections) this.#free(this.#longestResting(null) ?? this.#oldestOfMost());
    this.#places.set(connection, { address, working: false });
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
    return true;
  }

  /** We owe it an answer. */
  works(connection: Connection): void {
    const place = this.#places.get(connection);
    if (place !== undefined) place.working = true;
  }

  /** From now on. */
  rests(connection: Connection): void {
    const place = this.#places.get(connection);
    if (place === undefined) return;
    place.working = false;
    this.#places.delete(connection);
    this.#places.set(connection, place);
  }

  /** It is closed; one that has no place is no fault. */
  leave(connection: Connection): void {
    const place = this.#places.get(connection);
    if (place === undefined) return;
    this.#places.delete(connection);
    const left = this.#byAddress.get(place.address)! - 1;
    if (left === 0) this.#byAddress.delete(place.address);
    else this.#byAddress.set(place.address, left);
  }

  #free(connection: Connection | null): boolean {
    if (connection === null) return false;
    this.leave(connection);
    this.#evict(connection);
    return true;
  }

  /** `address`: only of it. */
  #longestResting(address: string | null): Connection | null {
    for (const [connection, place] of this.#places)
      if (!place.working && (address === null || place.address === address)) return connection;
    return null;
  }

  /** All work: the address that has most gives one up. */
  #oldestOfMost(): Connection | null {
    let most = '';
    for (const [address, count] of this.#byAddress) if (count > (this.#byAddress.get(most) ?? 0)) most = address;
    for (const [connection, place] of this.#places) if (place.address === most) return connection;
    return null;
  }
}
