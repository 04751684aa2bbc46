import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { StatStore } from '../stats/stat-store.ts';
import { caPem, orders, storefront } from '../transport/test/certificates.ts';
import { ListenerManager } from './listener-manager.ts';
import { listenersJson, listenersText } from './listener-status.ts';
import type { ConnectionManager, IdleConnection } from './running-listener.ts';
import { chainConfig, configuration, listenerConfig } from './test/listener-config.ts';

/** Answers each chunk with the chain's name and the chunk. */
class EchoManager implements ConnectionManager {
  readonly name: string;
  readonly infos: DownstreamConnectionInfo[] = [];
  readonly #sockets = new Set<Socket>();
  drained = false;

  constructor(chain: FilterChainConfig) {
    this.name = chain.name;
  }

  get activeConnections(): number {
    return this.#sockets.size;
  }

  get activeStreams(): number {
    return 0;
  }

  readonly unfinishedConnections = 0;
  successor: ConnectionManager | null = null;

  succeededBy(next: ConnectionManager): void {
    this.successor = next;
  }

  idleConnections(): readonly IdleConnection[] {
    return [...this.#sockets].map((socket) => ({ idleSinceMs: 0, closeIdle: () => socket.destroy() }));
  }

  accept(socket: Socket, info: DownstreamConnectionInfo): void {
    this.infos.push(info);
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      socket.write(`${this.name}: ${chunk.toString()}`);
      if (this.drained) socket.end();
    });
    socket.on('end', () => socket.end());
  }

  drain(): void {
    this.drained = true;
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

const cleanUp: Array<() => unknown> = [];
afterEach(async () => {
  for (const action of cleanUp.splice(0).toReversed()) await action();
});

interface Bench {
  readonly listeners: ListenerManager;
  readonly managers: EchoManager[];
  readonly stats: StatStore;
  readonly wheel: TimerWheel;
  later(ms: number): void;
}

function bench(): Bench {
  const stats = new StatStore();
  const managers: EchoManager[] = [];
  let laterMs = 0;
  const clock = { nowMs: () => systemClock.nowMs() + laterMs, wallMs: systemClock.wallMs };
  const wheel = new TimerWheel(clock);
  const listeners = new ListenerManager(
    { stats, clock, wheel },
    {
      createConnectionManager: (chain) => {
        const manager = new EchoManager(chain);
        managers.push(manager);
        return manager;
      },
    },
  );
  cleanUp.push(async () => {
    await listeners.closeAll();
    expect(listeners.activeConnections).toBe(0);
    expect(wheel.armedCount).toBe(0);
  });
  const later = (ms: number): void => {
    laterMs += ms;
    wheel.advance();
  };
  return { listeners, managers, stats, wheel, later };
}

function dial(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => {});
  cleanUp.push(() => socket.destroy());
  return socket;
}

async function say(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

/** A free port, so that a configuration can name it. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function holdPort(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

const serverTls = {
  certificates: [orders],
  trustedCaPem: caPem,
  subjectAltNames: [],
  alpn: ['h2', 'http/1.1'],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: true,
} as const;

async function dialTls(port: number, servername: string, ALPNProtocols: string[]): Promise<TLSSocket> {
  const socket = connectTls({
    host: '127.0.0.1',
    port,
    servername,
    ALPNProtocols,
    ca: caPem,
    cert: storefront.chainPem,
    key: storefront.keyPem,
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => {});
  cleanUp.push(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

describe('ListenerManager', () => {
  it('binds, accepts, and says where a connection comes from', async () => {
    const { listeners, managers, stats } = bench();
    expect(await listeners.apply(configuration(listenerConfig('inbound', 0)))).toEqual([]);
    const port = listeners.boundPort('inbound')!;
    const socket = dial(port);
    expect(await say(socket, 'hello')).toBe('inbound-chain: hello');
    expect(managers[0]!.infos).toMatchObject([
      {
        listenerName: 'inbound',
        direction: 'inbound',
        secure: false,
        alpn: '',
        serverName: '',
        peer: null,
        localUri: '',
        localAddress: `127.0.0.1:${port}`,
        remoteAddress: `127.0.0.1:${(socket.address() as AddressInfo).port}`,
      },
    ]);
    expect(listeners.activeConnections).toBe(1);
    expect(stats.counters.get('listener.127.0.0.1_0.downstream_cx_total')!.value).toBe(1);
    expect(stats.gauges.get('listener_manager.total_listeners_active')!.value).toBe(1);
    expect(listenersText(listeners.dump())).toBe(`inbound::127.0.0.1:${port}\n`);
    expect(listenersJson(listeners.dump())).toEqual({
      listener_statuses: [
        { name: 'inbound', local_address: { socket_address: { address: '127.0.0.1', port_value: port } } },
      ],
    });
  });

  it('names who holds a port that is taken, and serves the other listeners', async () => {
    const { port } = await holdPort();
    const { listeners, stats } = bench();
    const faults = await listeners.apply(configuration(listenerConfig('inbound', port), listenerConfig('other', 0)));
    expect(faults).toMatchObject([{ listener: 'inbound', address: `127.0.0.1:${port}`, code: 'EADDRINUSE' }]);
    expect(faults[0]!.message).toContain(`cannot listen on 127.0.0.1:${port} (listener "inbound"): `);
    expect(faults[0]!.message).not.toContain('\n');
    expect(await say(dial(listeners.boundPort('other')!), 'x')).toBe('other-chain: x');
    expect(stats.counters.get('listener_manager.listener_create_failure')!.value).toBe(1);
  });

  it('tries a port again with the next configuration', async () => {
    const { server, port } = await holdPort();
    const { listeners } = bench();
    const wanted = configuration(listenerConfig('inbound', port));
    expect(await listeners.apply(wanted)).toHaveLength(1);
    server.close();
    await once(server, 'close');
    expect(await listeners.apply(wanted)).toEqual([]);
    expect(await say(dial(port), 'x')).toBe('inbound-chain: x');
  });

  it('says what is wrong with an address that this machine does not have', async () => {
    const { listeners } = bench();
    const [fault] = await listeners.apply(
      configuration(listenerConfig('inbound', 8080, { address: { host: '192.0.2.1', port: 8080 } })),
    );
    expect(fault).toMatchObject({ code: 'EADDRNOTAVAIL' });
    expect(fault!.message).toContain('this machine has no address 192.0.2.1');
  });

  it('leaves a listener alone whose configuration object is the same', async () => {
    const { listeners, managers } = bench();
    const config = listenerConfig('inbound', 0);
    await listeners.apply(configuration(config));
    await listeners.apply(configuration(config));
    expect(managers).toHaveLength(1);
  });

  it('refuses no connection while a listener changes again and again; old connections go on, new ones get the new chain', async () => {
    const { listeners, managers } = bench();
    const port = await freePort();
    const version = (n: number): ListenerConfig =>
      listenerConfig('inbound', port, { filterChains: [chainConfig(`v${n}`)] });
    await listeners.apply(configuration(version(0)));
    const old = dial(port);
    expect(await say(old, 'x')).toBe('v0: x');
    for (let n = 1; n <= 20; n++) {
      const dialled = dial(port);
      await listeners.apply(configuration(version(n)));
      expect(await say(dialled, 'x')).toMatch(/^v\d+: x$/);
      expect(await say(dial(port), 'x')).toBe(`v${n}: x`);
    }
    expect(managers[0]!.drained).toBe(true);
    expect(managers.at(-1)!.drained).toBe(false);
    expect(await say(old, 'y')).toBe('v0: y');
  });

  it('keeps a filter chain whose configuration object is the same when others of its listener change', async () => {
    const { listeners, managers } = bench();
    const port = await freePort();
    const kept = chainConfig('kept');
    await listeners.apply(
      configuration(
        listenerConfig('inbound', port, { filterChains: [kept, chainConfig('old', { destinationPort: 1 })] }),
      ),
    );
    await listeners.apply(
      configuration(
        listenerConfig('inbound', port, { filterChains: [kept, chainConfig('new', { destinationPort: 1 })] }),
      ),
    );
    expect(managers.map(({ name, drained }) => `${name} ${drained}`)).toEqual(['kept false', 'old true', 'new false']);
  });

  it('names a replaced chain its successor, the one with its name and match: what comes on its connections is judged by that', async () => {
    const { listeners, managers } = bench();
    const port = await freePort();
    const tls = { transportProtocol: 'tls' } as const;
    for (const last of [chainConfig('plain'), chainConfig('plain', { destinationPort: 1 })])
      await listeners.apply(
        configuration(listenerConfig('inbound', port, { filterChains: [chainConfig('mtls', tls), last] })),
      );
    const [mtls, plain, nextMtls] = managers;
    expect([mtls!.successor, plain!.successor]).toEqual([nextMtls, null]);
  });

  it('drains listeners of a direction that was told to drain also when they change or come later', async () => {
    const { listeners, managers } = bench();
    const port = await freePort();
    const inbound = (name: string): ListenerConfig =>
      listenerConfig('inbound', port, { direction: 'inbound', filterChains: [chainConfig(name)] });
    await listeners.apply(configuration(inbound('v1')));
    listeners.drain('inbound');
    await listeners.apply(configuration(inbound('v2')));
    await listeners.apply(
      configuration(
        inbound('v2'),
        listenerConfig('late', 0, { direction: 'inbound', filterChains: [chainConfig('late')] }),
        listenerConfig('outbound', 0, { direction: 'outbound', filterChains: [chainConfig('outbound')] }),
      ),
    );
    const drained = new Map(managers.map((manager) => [manager.name, manager.drained]));
    expect(Object.fromEntries(drained)).toEqual({ v1: true, v2: true, late: true, outbound: false });
    expect(listeners.dump().map(({ name, draining }) => `${name} ${draining}`)).toEqual([
      'inbound true',
      'late true',
      'outbound false',
    ]);
  });

  it('moves a listener to another port: the new one is bound before the old one closes', async () => {
    const { listeners, managers } = bench();
    const [one, two] = [await freePort(), await freePort()];
    await listeners.apply(configuration(listenerConfig('inbound', one)));
    const old = dial(one);
    await say(old, 'x');
    await listeners.apply(configuration(listenerConfig('inbound', two)));
    expect(await say(dial(two), 'x')).toBe('inbound-chain: x');
    const refused = dial(one);
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    expect(managers[0]!.drained).toBe(true);
    expect(await say(old, 'y')).toBe('inbound-chain: y');
  });

  it('keeps the old listener when the new address cannot be had (last good configuration)', async () => {
    const { port: taken } = await holdPort();
    const { listeners } = bench();
    const port = await freePort();
    await listeners.apply(configuration(listenerConfig('inbound', port)));
    expect(await listeners.apply(configuration(listenerConfig('inbound', taken)))).toHaveLength(1);
    expect(await say(dial(port), 'x')).toBe('inbound-chain: x');
  });

  it('lets one listener take over the address of another in the same update', async () => {
    const { listeners } = bench();
    const port = await freePort();
    await listeners.apply(configuration(listenerConfig('one', port)));
    const backlog = dial(port);
    expect(await listeners.apply(configuration(listenerConfig('two', port)))).toEqual([]);
    expect(await say(dial(port), 'x')).toBe('two-chain: x');
    expect(await say(backlog, 'x')).toMatch(/-chain: x$/);
    expect(listeners.dump().map(({ name }) => name)).toEqual(['two']);
  });

  it('stops accepting for a removed listener, drains it, and ends what is left after the drain time', async () => {
    const { listeners, managers, stats, later } = bench();
    const port = await freePort();
    await listeners.apply(configuration(listenerConfig('inbound', port)));
    const socket = dial(port);
    await say(socket, 'x');
    await listeners.apply(configuration());
    const [error] = (await once(dial(port), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    expect(managers[0]!.drained).toBe(true);
    expect(stats.gauges.get('listener_manager.total_listeners_draining')!.value).toBe(1);
    const closed = once(socket, 'end');
    later(601_000);
    await closed;
    expect(stats.gauges.get('listener_manager.total_listeners_draining')!.value).toBe(0);
  });

  it('goes on accepting while it drains (Envoy /drain_listeners?graceful), until told to stop', async () => {
    const { listeners, managers } = bench();
    await listeners.apply(
      configuration(listenerConfig('inbound', 0), listenerConfig('outbound', 0, { direction: 'outbound' })),
    );
    const port = listeners.boundPort('inbound')!;
    listeners.drain('inbound');
    expect(managers.map(({ drained }) => drained)).toEqual([true, false]);
    const client = dial(port);
    expect(await say(client, 'x')).toBe('inbound-chain: x');
    const stopped = listeners.stopAccepting('inbound');
    const [error] = (await once(dial(port), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    client.end();
    await stopped;
    expect(await say(dial(listeners.boundPort('outbound')!), 'x')).toBe('outbound-chain: x');
  });

  it('ends TLS, and tells ALPN', async () => {
    const { listeners, managers, stats } = bench();
    await listeners.apply(
      configuration(listenerConfig('inbound', 0, { filterChains: [chainConfig('tls', {}, { tls: serverTls })] })),
    );
    const socket = await dialTls(listeners.boundPort('inbound')!, 'orders.shop', ['h2']);
    expect(await say(socket, 'secret')).toBe('tls: secret');
    expect(managers[0]!.infos).toMatchObject([{ secure: true, alpn: 'h2' }]);
    expect(stats.counters.get('listener.127.0.0.1_0.ssl.handshake')!.value).toBe(1);
  });

  it('chooses a chain by the first bytes, and loses none of them', async () => {
    const { listeners, stats } = bench();
    await listeners.apply(
      configuration(
        listenerConfig('inbound', 0, {
          inspectTls: true,
          filterChains: [
            chainConfig('plain', { transportProtocol: 'raw_buffer' }),
            chainConfig('orders', { transportProtocol: 'tls', serverNames: ['orders.shop'] }, { tls: serverTls }),
            chainConfig('h2', { transportProtocol: 'tls', applicationProtocols: ['h2'] }, { tls: serverTls }),
          ],
        }),
      ),
    );
    const port = listeners.boundPort('inbound')!;
    expect(await say(dial(port), 'GET / HTTP/1.1')).toBe('plain: GET / HTTP/1.1');
    expect(await say(await dialTls(port, 'orders.shop', ['http/1.1']), 'x')).toBe('orders: x');
    expect(await say(await dialTls(port, 'payments.shop', ['h2']), 'x')).toBe('h2: x');
    await expect(dialTls(port, 'payments.shop', ['http/1.1'])).rejects.toThrow(/disconnected|ECONNRESET/);
    expect(stats.counters.get('listener.127.0.0.1_0.no_filter_chain_match')!.value).toBe(1);
    expect(stats.gauges.get('listener.127.0.0.1_0.downstream_pre_cx_active')!.value).toBe(0);
  });

  it('does not wait for ever for first bytes (slow peers)', async () => {
    const { listeners, stats, later } = bench();
    await listeners.apply(
      configuration(
        listenerConfig('inbound', 0, {
          inspectTls: true,
          filterChains: [chainConfig('tls', { transportProtocol: 'tls' }, { tls: serverTls })],
          defaultFilterChain: chainConfig('rest'),
        }),
      ),
    );
    const socket = dial(listeners.boundPort('inbound')!);
    await once(socket, 'connect');
    while (stats.gauges.get('listener.127.0.0.1_0.downstream_pre_cx_active')!.value === 0)
      await new Promise((resolve) => setImmediate(resolve));
    const ended = once(socket, 'end');
    socket.resume();
    later(5_100);
    await ended;
    expect(stats.counters.get('listener.127.0.0.1_0.downstream_pre_cx_timeout')!.value).toBe(1);
  });

  it('reports TLS that cannot be loaded as a fault of that listener only', async () => {
    const { listeners } = bench();
    const broken = { ...serverTls, certificates: [{ chainPem: 'no', keyPem: 'no' }] };
    const faults = await listeners.apply(
      configuration(
        listenerConfig('broken', 0, { filterChains: [chainConfig('tls', {}, { tls: broken })] }),
        listenerConfig('good', 0),
      ),
    );
    expect(faults).toMatchObject([{ listener: 'broken', code: 'ERR_CONFIG' }]);
    expect(await say(dial(listeners.boundPort('good')!), 'x')).toBe('good-chain: x');
  });

  it('counts handshakes that fail, and goes on', async () => {
    const { listeners, stats } = bench();
    await listeners.apply(
      configuration(listenerConfig('inbound', 0, { filterChains: [chainConfig('tls', {}, { tls: serverTls })] })),
    );
    const port = listeners.boundPort('inbound')!;
    const plain = dial(port);
    plain.resume();
    plain.write('GET / HTTP/1.1\r\n\r\n');
    await once(plain, 'end');
    expect(stats.counters.get('listener.127.0.0.1_0.ssl.connection_error')!.value).toBe(1);
    expect(await say(await dialTls(port, 'orders.shop', ['h2']), 'x')).toBe('tls: x');
  });
});
