/** What sidecars would have written into their logs, with instances by name: ejections, returns, checks that failed. The first ones are kept. */

export interface SimulationEvent {
  readonly atMs: number;
  /** Whose log. */
  readonly sidecar: string;
  readonly message: string;
}

/** More than anybody reads. */
const mostEvents = 1000;

export class EventList {
  readonly #names = new Map<string, string>();
  readonly kept: SimulationEvent[] = [];
  dropped = 0;

  /** Messages name hosts by address. */
  nameHost(address: string, name: string): void {
    this.#names.set(address, name);
  }

  add(atMs: number, sidecar: string, message: string): void {
    if (this.kept.length === mostEvents) {
      this.dropped++;
      return;
    }
    const named = message.replace(/\d+\.\d+\.\d+\.\d+:\d+/g, (address) => this.#names.get(address) ?? address);
    this.kept.push({ atMs, sidecar, message: named });
  }
}
