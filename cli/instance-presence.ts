/**
 * Whether this instance is in the registry: while its application listens, is not stopped (Ctrl-Z), and callers' sidecars can reach its inbound listener, at the address where that really is; not otherwise.
 * How it is kept there is in sidecar/registration.
 */
import { formatHostPort, type HostPort } from './host-port.ts';

export interface PresenceOptions {
  /** Where the inbound listener is now; null: nowhere. */
  readonly inbound: () => HostPort | null;
  /** Registers the instance there. close() takes it out. */
  readonly register: (inbound: HostPort) => { close(): Promise<void> };
}

export class InstancePresence {
  readonly #options: PresenceOptions;
  #applicationListens = false;
  #paused = false;
  /** What is registered, and where. */
  #current: { readonly at: string; readonly registration: { close(): Promise<void> } } | null = null;
  #leaving: Promise<void> | null = null;
  #closed = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  setApplicationListens(listens: boolean): void {
    this.#applicationListens = listens;
    this.update();
  }

  /** It is stopped, and would take connections without an answer; or goes on. */
  setApplicationPaused(paused: boolean): void {
    this.#paused = paused;
    this.update();
  }

  /** Listeners may have changed. */
  update(): void {
    // A registration that is on its way out comes first: its end looks again.
    if (this.#leaving !== null) return;
    const inbound = this.#applicationListens && !this.#paused && !this.#closed ? this.#options.inbound() : null;
    const at = inbound === null ? '' : formatHostPort(inbound);
    if (this.#current?.at === at) return;
    if (this.#current !== null) void this.#leave(this.#current.registration);
    else if (inbound !== null) this.#current = { at, registration: this.#options.register(inbound) };
  }

  /** Takes the instance out for good. */
  async close(): Promise<void> {
    this.#closed = true;
    this.update();
    await this.#leaving;
  }

  #leave(registration: { close(): Promise<void> }): Promise<void> {
    this.#current = null;
    this.#leaving = registration.close().then(() => {
      this.#leaving = null;
      this.update();
    });
    return this.#leaving;
  }
}
