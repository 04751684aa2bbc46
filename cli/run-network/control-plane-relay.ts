/**
 * The way from a sidecar in a network of its own to its control plane as `run` reaches it: on the host's loopback too, whose plaintext door then is no more open than before.
 */
import { join } from 'node:path';
import type { HostPort } from '../host-port.ts';
import type { RunSlot } from './run-slots.ts';
import { SocketRelay } from './socket-relay.ts';

export class ControlPlaneRelay {
  readonly #relays: readonly SocketRelay[];

  private constructor(relays: readonly SocketRelay[]) {
    this.#relays = relays;
  }

  /** In the folder of the network: `plain.sock` and `tls.sock`. `plain` null: a sidecar with an identity has no need of it. */
  static async start(
    { folder, sidecarId }: Pick<RunSlot, 'folder' | 'sidecarId'>,
    doors: { readonly plain: HostPort | null; readonly tls: HostPort },
  ): Promise<ControlPlaneRelay> {
    const relays: SocketRelay[] = [];
    for (const [name, to] of Object.entries(doors))
      if (to !== null) relays.push(await SocketRelay.start(join(folder, `${name}.sock`), sidecarId, to));
    return new ControlPlaneRelay(relays);
  }

  /** Why the last connection to the control plane could not be made; '': it could. */
  get fault(): string {
    return this.#relays.find(({ fault }) => fault !== '')?.fault ?? '';
  }

  close(): void {
    for (const relay of this.#relays) relay.close();
  }
}
