/** The sockets of a DNS listener: for each of its addresses one of UDP and one of TCP on the same port. They outlive the resolver behind them. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { SocketAddress } from '../config/listener-config.ts';
import { type BindFault, bindFault } from '../listener/bound-socket.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import type { DnsResolver } from './dns-resolver.ts';
import { TcpQuestions } from './tcp-questions.ts';

/** The one that comes behind it is closed at once. */
const mostConnections = 256;
const portTries = 8;

interface Pair {
  readonly udp: UdpSocket;
  readonly tcp: Server;
  readonly port: number;
}

export class DnsSockets {
  readonly addresses: readonly SocketAddress[];
  readonly #pairs: readonly Pair[];
  readonly #connections = new Set<Socket>();
  resolver: DnsResolver;

  private constructor(
    addresses: readonly SocketAddress[],
    pairs: readonly Pair[],
    resolver: DnsResolver,
    wheel: TimerWheel,
  ) {
    this.addresses = addresses;
    this.#pairs = pairs;
    this.resolver = resolver;
    for (const { udp, tcp } of pairs) {
      // What cannot be sent (a caller that is gone) is lost, as datagrams are.
      udp.on('error', () => {});
      udp.on('message', (bytes, { port, address }) => {
        this.resolver.handle(bytes, 'udp', (answer) => {
          try {
            udp.send(answer, port, address, () => {});
          } catch {
            // It was closed meanwhile.
          }
        });
      });
      tcp.on('error', () => {});
      tcp.on('connection', (socket) => {
        if (this.#connections.size >= mostConnections) {
          socket.destroy();
          return;
        }
        const { connections } = this.resolver.stats;
        this.#connections.add(socket);
        connections.value++;
        socket.once('close', () => {
          this.#connections.delete(socket);
          connections.value--;
        });
        new TcpQuestions(socket, () => this.resolver, wheel);
      });
    }
  }

  /** All of them, or none. */
  static async bind(
    listener: string,
    addresses: readonly SocketAddress[],
    resolver: DnsResolver,
    wheel: TimerWheel,
  ): Promise<DnsSockets | BindFault> {
    const bound = await Promise.all(addresses.map((address) => bindPair(listener, address, addresses.length > 1)));
    const fault = bound.find((each) => 'code' in each) as BindFault | undefined;
    const pairs = bound.filter((each) => !('code' in each)) as Pair[];
    if (fault === undefined) return new DnsSockets(addresses, pairs, resolver, wheel);
    for (const { udp, tcp } of pairs) {
      udp.close();
      tcp.close();
    }
    return fault;
  }

  get ports(): readonly number[] {
    return this.#pairs.map(({ port }) => port);
  }

  get activeConnections(): number {
    return this.#connections.size;
  }

  async close(): Promise<void> {
    const closed = this.#pairs.flatMap(({ udp, tcp }) => [
      new Promise<void>((resolve) => udp.close(() => resolve())),
      new Promise<void>((resolve) => tcp.close(() => resolve())),
    ]);
    for (const socket of this.#connections) socket.destroy();
    await Promise.all(closed);
  }
}

/** Of port 0: UDP takes one, and TCP may find it taken; then both take another. */
async function bindPair(listener: string, address: SocketAddress, ipv6Only: boolean): Promise<Pair | BindFault> {
  let fault: BindFault | null = null;
  for (let i = 0; i < (address.port === 0 ? portTries : 1); i++) {
    const udp = await bindUdp(listener, address, ipv6Only);
    if ('code' in udp) return udp;
    const { port } = udp.address();
    const tcp = await bindTcp(listener, { host: address.host, port }, ipv6Only);
    if (!('code' in tcp)) return { udp, tcp, port };
    udp.close();
    fault = tcp;
  }
  return fault!;
}

function bindUdp(listener: string, address: SocketAddress, ipv6Only: boolean): Promise<UdpSocket | BindFault> {
  return new Promise((resolve) => {
    const udp = createSocket({ type: isIPv6(address.host) ? 'udp6' : 'udp4', ipv6Only });
    udp.once('error', (error: NodeJS.ErrnoException) => {
      udp.close();
      resolve(bindFault(listener, address, error, 'udp'));
    });
    udp.bind({ address: address.host, port: address.port, exclusive: true }, () => {
      udp.removeAllListeners('error');
      resolve(udp);
    });
  });
}

function bindTcp(listener: string, { host, port }: SocketAddress, ipv6Only: boolean): Promise<Server | BindFault> {
  return new Promise((resolve) => {
    const tcp = createServer({ allowHalfOpen: true, noDelay: true });
    tcp.once('error', (error: NodeJS.ErrnoException) => resolve(bindFault(listener, { host, port }, error)));
    tcp.listen({ host, port, ipv6Only, exclusive: true }, () => {
      tcp.removeAllListeners('error');
      resolve(tcp);
    });
  });
}
