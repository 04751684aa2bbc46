/** The gates of an application's ports as one: the instance is one, so it listens when all of them do. */
import { ApplicationGate, type ApplicationGateOptions } from './application-gate.ts';

export class ApplicationGates {
  readonly #gates = new Map<number, ApplicationGate>();
  readonly #closed: Set<number>;

  /** Begins to look at once. `ports`: at least one. `onChange` as of one gate. */
  constructor(ports: readonly number[], options: ApplicationGateOptions) {
    this.#closed = new Set(ports);
    for (const port of ports)
      this.#gates.set(
        port,
        new ApplicationGate(port, {
          ...options,
          onChange: (listens) => {
            const before = this.#closed.size;
            if (listens) this.#closed.delete(port);
            else this.#closed.add(port);
            if ((before === 0) !== (this.#closed.size === 0)) options.onChange(this.#closed.size === 0);
          },
        }),
      );
  }

  /** A connection to that port was refused. */
  refused(port: number): void {
    this.#gates.get(port)?.refused();
  }

  stop(): void {
    for (const gate of this.#gates.values()) gate.stop();
  }
}
