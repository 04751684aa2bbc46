/**
 * Which connections this process has made itself, by both their ends: so that one that rules of the machine send back to it is known again. Without that each would make another, until there are
 * no descriptors left. By their own end alone they would be taken for others: Linux gives one port to several connections that go to different places. Nothing is kept before somebody asks for it.
 *
 * A connection that comes back is accepted before this process hears that it is connected: so those that are being made are asked for their address when one is accepted, each until it has one.
 */
import type { Socket } from 'node:net';

export class OwnConnections {
  #watched = false;
  /** By their own end. */
  readonly #known = new Map<string, Socket[]>();
  readonly #keys = new Map<Socket, string>();
  /** Being made, and without an address of their own yet. */
  readonly #unknown = new Set<Socket>();

  /** From now on connections are kept; those that are there already are not. */
  watch(): void {
    this.#watched = true;
  }

  /** Those that are kept. */
  get size(): number {
    return this.#unknown.size + this.#keys.size;
  }

  /** One is being made, by TCP: others have no address, and would be asked for it again and again. */
  add(socket: Socket): void {
    if (!this.#watched) return;
    this.#unknown.add(socket);
    socket.once('connect', () => {
      // Of a name with several addresses another may have been tried before.
      this.#forget(socket);
      this.#ask(socket);
    });
    socket.once('close', () => {
      this.#unknown.delete(socket);
      this.#forget(socket);
    });
  }

  /** Whether an accepted connection, from `remote…`, that was going to `host` is the other end of one of ours: of one that goes there. */
  has(remoteAddress: string, remotePort: number, host: string, port: number): boolean {
    for (const socket of this.#unknown) this.#ask(socket);
    const sockets = this.#known.get(endText(remoteAddress, remotePort));
    if (sockets === undefined) return false;
    const target = endText(host, port);
    // What is accepted here is connected there.
    return sockets.some((socket) => endOf(socket, 'getpeername') === target);
  }

  #ask(socket: Socket): void {
    const key = endOf(socket, 'getsockname');
    if (key === '') return;
    this.#unknown.delete(socket);
    this.#keys.set(socket, key);
    const others = this.#known.get(key);
    if (others === undefined) this.#known.set(key, [socket]);
    else others.push(socket);
  }

  #forget(socket: Socket): void {
    const key = this.#keys.get(socket);
    if (key === undefined) return;
    this.#keys.delete(socket);
    const others = this.#known.get(key)!.filter((other) => other !== socket);
    if (others.length === 0) this.#known.delete(key);
    else this.#known.set(key, others);
  }
}

/** '': it has none yet. Not by `localAddress`, which keeps what it says first. */
function endOf(socket: Socket, call: 'getsockname' | 'getpeername'): string {
  const name: { address?: string; port?: number } = {};
  // Documented nowhere.
  const { _handle: handle } = socket as unknown as {
    _handle?: Partial<Record<typeof call, (out: object) => number>> | null;
  };
  handle?.[call]?.(name);
  const { address = '', port = 0 } = name;
  // Bound to a port, and not connected.
  return port === 0 || address === '' || address === '0.0.0.0' || address === '::' ? '' : endText(address, port);
}

/** IPv4-mapped addresses are those of IPv4: a socket of both families says them so. */
function endText(address: string, port: number): string {
  return `${address.startsWith('::ffff:') ? address.slice(7) : address} ${port}`;
}
