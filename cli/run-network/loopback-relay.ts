/**
 * The way from a sidecar in a network of its own to instances on the host's loopback, as those of plain `outrigger run` and of the demo: a Unix socket for each that is registered, and for nothing else there. Those of the run's own
 * service are left out: a sidecar may register those itself, at any address, and would so open the loopback to itself.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { HostPort } from '../host-port.ts';
import { RegisteredLoopback } from './registered-loopback.ts';
import type { RunSlot } from './run-slots.ts';
import { SocketRelay } from './socket-relay.ts';

/** For the first answer; a control plane that is not there yet is waited for by the sidecar. */
const firstMs = 2_000;

export class LoopbackRelay {
  readonly #folder: string;
  readonly #sidecarId: number;
  readonly #relays = new Map<string, SocketRelay>();
  readonly #left = new Set<SocketRelay>();
  readonly #registered: RegisteredLoopback;
  #wanted: ReadonlyMap<string, HostPort> = new Map();
  #work: Promise<void> = Promise.resolve();
  #onFirst: () => void = () => {};
  #closed = false;

  private constructor({ folder, sidecarId }: RunSlot, controlPlane: HostPort, except: string) {
    this.#folder = join(folder, 'loopback');
    this.#sidecarId = sidecarId;
    mkdirSync(this.#folder);
    chmodSync(this.#folder, 0o711);
    this.#registered = new RegisteredLoopback(controlPlane, except, (addresses) => {
      this.#wanted = addresses;
      this.#work = this.#work.then(() => this.#apply()).then(this.#onFirst);
    });
  }

  /** `except`: the run's own service, NAMESPACE/NAME. */
  static async start(slot: RunSlot, controlPlane: HostPort, except: string): Promise<LoopbackRelay> {
    const relay = new LoopbackRelay(slot, controlPlane, except);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, firstMs);
      relay.#onFirst = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return relay;
  }

  async #apply(): Promise<void> {
    for (const [name, relay] of this.#relays)
      if (!this.#wanted.has(name)) {
        relay.stop();
        this.#relays.delete(name);
        this.#left.add(relay);
      }
    for (const [name, to] of this.#wanted) {
      if (this.#closed) return;
      if (!this.#relays.has(name))
        this.#relays.set(name, await SocketRelay.start(join(this.#folder, name), this.#sidecarId, to));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#registered.close();
    await this.#work;
    for (const relay of [...this.#relays.values(), ...this.#left]) relay.close();
  }
}
