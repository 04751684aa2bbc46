/**
 * The listening socket of a listener, or several: one for each of its addresses. Apart from the listener that serves it, because it outlives listeners: an update puts another one behind the same socket, and no
 * connection is refused meanwhile.
 */
import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { SocketAddress } from '../config/listener-config.ts';
import { boundSocket } from '../transport/system-sockets.ts';
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
  /** IP_TRANSPARENT and IP_FREEBIND. Default false. */
  readonly transparent?: boolean;
  readonly freebind?: boolean;
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
  /** As configured. */
  readonly addresses: readonly SocketAddress[];
  /** Who gets connections from now on. */
  taker: ConnectionTaker;
  readonly #servers: readonly Server[];
  #closed: Promise<void> | null = null;

  private constructor(
    addresses: readonly SocketAddress[],
    servers: readonly Server[],
    taker: ConnectionTaker,
    onConnection: BindOptions['onConnection'],
  ) {
    this.addresses = addresses;
    this.#servers = servers;
    this.taker = taker;
    for (const server of servers) {
      server.on('connection', (socket: Socket) => {
        onConnection();
        this.taker.take(socket);
      });
      // Accepting can fail for a while: the next connection tries again.
      server.on('error', () => {});
    }
  }

  /** Binds all of them, or none, and begins to accept. */
  static async bind(
    listener: string,
    addresses: readonly SocketAddress[],
    taker: ConnectionTaker,
    options: BindOptions,
  ): Promise<BoundSocket | BindFault> {
    // Where IPv4 has a socket of its own.
    const ipv6Only = addresses.length > 1 && addresses.some(({ host }) => !isIPv6(host));
    const bound = await Promise.all(addresses.map((address) => listen(listener, address, ipv6Only, options)));
    const fault = bound.find((each) => 'code' in each) as BindFault | undefined;
    const servers = bound.filter((each) => !('code' in each)) as Server[];
    if (fault === undefined) return new BoundSocket(addresses, servers, taker, options.onConnection);
    for (const server of servers) server.close();
    return fault;
  }

  /** The first. */
  get address(): SocketAddress {
    return this.addresses[0]!;
  }

  /** The port in use: the configured one, or what the system gave for 0. */
  get port(): number {
    return this.ports[0]!;
  }

  /** Of each address. */
  get ports(): readonly number[] {
    return this.#servers.map((server, i) => (server.address() as AddressInfo | null)?.port ?? this.addresses[i]!.port);
  }

  /** Stops accepting. Resolves when every connection accepted here is gone. */
  async close(): Promise<void> {
    this.#closed ??= Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    ).then(() => {});
    return this.#closed;
  }
}

function listen(
  listener: string,
  address: SocketAddress,
  ipv6Only: boolean,
  { backlog, reusePort, transparent = false, freebind = false }: BindOptions,
): Promise<Server | BindFault> {
  return new Promise((resolve) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.once('error', (error: NodeJS.ErrnoException) => resolve(bindFault(listener, address, error)));
    const onListening = (): void => {
      server.removeAllListeners('error');
      holders.delete(`tcp ${address.port}`);
      resolve(server);
    };
    if (!transparent && !freebind) {
      const { host, port } = address;
      server.listen({ host, port, backlog, reusePort, ipv6Only, exclusive: true }, onListening);
      return;
    }
    let fd: number;
    try {
      fd = boundSocket(address, { transparent, freebind, reusePort, ipv6Only });
    } catch (error) {
      resolve(bindFault(listener, address, error as NodeJS.ErrnoException));
      return;
    }
    server.listen({ fd, backlog }, onListening);
  });
}

/** `ip:port`, with brackets around IPv6. */
export function addressText({ host, port }: SocketAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function bindFault(
  listener: string,
  address: SocketAddress,
  error: NodeJS.ErrnoException,
  protocol: 'tcp' | 'udp' = 'tcp',
): BindFault {
  const where = addressText(address);
  const code = error.code ?? 'UNKNOWN';
  const [why, advice] = reason(code, address, error, protocol);
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
const holders = new Map<string, PortHolder | null>();

/** Why, and what to do about it. */
function reason(
  code: string,
  { host, port }: SocketAddress,
  error: Error,
  protocol: 'tcp' | 'udp',
): readonly [why: string, advice: string] {
  switch (code) {
    case 'EADDRINUSE': {
      let holder = holders.get(`${protocol} ${port}`);
      if (holder === undefined) {
        holder = portHolder(port, protocol, host);
        holders.set(`${protocol} ${port}`, holder);
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
    case 'EPERM':
      return [
        'a transparent listener (TPROXY) takes a privilege',
        'run with CAP_NET_ADMIN, or use interception REDIRECT',
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
