/**
 * A listening socket. Apart from the listener that serves it, because it outlives listeners: an update puts another one behind the same socket, and no
 * connection is refused meanwhile.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { SocketAddress } from '../config/listener-config.ts';
import { type PortHolder, portHolder, takenBy } from './port-holder.ts';

/** Why a listener is not there. */
export interface BindFault {
  readonly listener: string;
  /** `ip:port`. */
  readonly address: string;
  /** The system's error code, as `EADDRINUSE`. */
  readonly code: string;
  /** Who or what is in the way, for people, without what to do about it: `the port is taken by pid 4121 (node)`. */
  readonly why: string;
  /** One line for the operator. */
  readonly message: string;
}

/** Code of a listener that cannot be made from its configuration: to try again is of no use. */
export const configurationFault = 'ERR_CONFIG';

export interface BindOptions {
  /** Several event loops listen on the same address; the kernel spreads connections over them. */
  readonly reusePort: boolean;
  /** Connections that the kernel keeps until we take them. */
  readonly backlog: number;
  /** Called for each connection before it is served. */
  readonly onConnection: () => void;
}

/** Takes accepted connections. */
export interface ConnectionTaker {
  take(socket: Socket): void;
}

export class BoundSocket {
  /** As configured; the key under which it is found. */
  readonly address: SocketAddress;
  /** Who gets connections from now on. */
  taker: ConnectionTaker;
  readonly #server: Server;
  #closed: Promise<void> | null = null;

  private constructor(
    address: SocketAddress,
    server: Server,
    taker: ConnectionTaker,
    onConnection: BindOptions['onConnection'],
  ) {
    this.address = address;
    this.#server = server;
    this.taker = taker;
    server.on('connection', (socket: Socket) => {
      onConnection();
      this.taker.take(socket);
    });
    // Accepting can fail for a while: the next connection tries again.
    server.on('error', () => {});
  }

  /** Binds and begins to accept. */
  static bind(
    listener: string,
    address: SocketAddress,
    taker: ConnectionTaker,
    options: BindOptions,
  ): Promise<BoundSocket | BindFault> {
    return new Promise((resolve) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true });
      server.once('error', (error: NodeJS.ErrnoException) => resolve(bindFault(listener, address, error)));
      server.listen(
        {
          host: address.host,
          port: address.port,
          backlog: options.backlog,
          reusePort: options.reusePort,
          exclusive: true,
        },
        () => {
          server.removeAllListeners('error');
          holders.delete(address.port);
          resolve(new BoundSocket(address, server, taker, options.onConnection));
        },
      );
    });
  }

  /** The port in use: the configured one, or what the system gave for 0. */
  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.address.port;
  }

  /** Stops accepting. Resolves when every connection accepted here is gone. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => this.#server.close(() => resolve()));
    return this.#closed;
  }
}

/** `ip:port`, with brackets around IPv6. */
export function addressText({ host, port }: SocketAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function bindFault(listener: string, address: SocketAddress, error: NodeJS.ErrnoException): BindFault {
  const where = addressText(address);
  const code = error.code ?? 'UNKNOWN';
  const [why, advice] = reason(code, address, error);
  return {
    listener,
    address: where,
    code,
    why,
    message: `cannot listen on ${where} (listener ${JSON.stringify(listener)}): ${why}${advice === '' ? '' : `; ${advice}`}`,
  };
}

/**
 * Who had a port when it was first found taken, until it can be bound: to find out takes a look at every descriptor of the machine, which the event loop has no time for at each attempt. Null: it
 * could not be found out.
 */
const holders = new Map<number, PortHolder | null>();

/** Why, and what to do about it. */
function reason(code: string, { host, port }: SocketAddress, error: Error): readonly [why: string, advice: string] {
  switch (code) {
    case 'EADDRINUSE': {
      let holder = holders.get(port);
      if (holder === undefined) {
        holder = portHolder(port);
        holders.set(port, holder);
      }
      if (holder?.pid === process.pid)
        return ['another listener of this sidecar has the port', 'give one of them another port'];
      return [takenBy(holder), 'stop it, or give the listener another port'];
    }
    case 'EACCES':
      return [
        'ports below 1024 take a privilege',
        'run with CAP_NET_BIND_SERVICE, or give the listener a port from 1024 on',
      ];
    case 'EADDRNOTAVAIL':
      return [
        `this machine has no address ${host}`,
        'give the listener an address of this machine, or 0.0.0.0 for all',
      ];
    case 'EAFNOSUPPORT':
      return [`this machine has no ${host.includes(':') ? 'IPv6' : 'IPv4'}`, ''];
    default:
      return [error.message, ''];
  }
}
