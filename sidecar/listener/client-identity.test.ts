/** Who may connect to a listener that wants one identity (hardening.md, "identity" and SNI): real certificates over real sockets; the oracle is what the chain's connection manager is handed. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FilterChainConfig } from '../config/listener-config.ts';
import type { TlsServerConfig } from '../config/tls-config.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import { systemClock } from '../runtime/clock.ts';
import { Log } from '../runtime/log.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { StatStore } from '../stats/stat-store.ts';
import type { TestCertificate } from '../transport/test/certificates.ts';
import {
  certificatePem,
  forClientsOnly,
  forServersOnly,
  identity,
  ordersId,
  ordersIdentity,
  root,
  wrongIdentities,
} from '../transport/test/identities.ts';
import { ListenerManager } from './listener-manager.ts';
import { chainConfig, configuration, listenerConfig } from './test/listener-config.ts';

const own = identity(root, 'spiffe://td/ns/shop/sa/storefront');
const tls: TlsServerConfig = {
  certificates: [own],
  trustedCaPem: certificatePem(root),
  subjectAltNames: [{ type: 'uri', exact: ordersId }],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: true,
};

const stats = new StatStore();
const lines: string[] = [];
const waiting: Array<() => void> = [];
const handed: DownstreamConnectionInfo[] = [];
let listeners: ListenerManager;
/** A connection that was there before all others. */
let first: TLSSocket;

function chain(name: string, serverNames: readonly string[]): FilterChainConfig {
  return chainConfig(name, { transportProtocol: 'tls', serverNames }, { tls });
}

beforeAll(async () => {
  const log = new Log(systemClock, 'debug', true, (line) => {
    lines.push((JSON.parse(line) as { message: string }).message);
    for (const wake of waiting.splice(0)) wake();
  });
  listeners = new ListenerManager(
    { stats, clock: systemClock, wheel: new TimerWheel(systemClock), log },
    {
      createConnectionManager: () => ({
        succeededBy: () => {},
        accept: (socket, info) => {
          handed.push(info);
          socket.on('error', () => {});
          socket.on('data', (chunk: Buffer) => socket.write(chunk));
          socket.write('hello');
        },
        drain: () => {},
        destroyAll: () => {},
        activeConnections: 0,
        activeStreams: 0,
        idleConnections: () => [],
        unfinishedConnections: 0,
      }),
    },
  );
  const inspecting = { inspectTls: true } as const;
  const faults = await listeners.apply(
    configuration(
      listenerConfig('inbound', 0, { ...inspecting, filterChains: [chain('any', [])] }),
      listenerConfig('unnamed', 0, {
        filterChains: [chainConfig('unnamed', {}, { tls: { ...tls, subjectAltNames: [] } })],
      }),
      listenerConfig('named', 0, { ...inspecting, filterChains: [chain('named', ['orders.shop'])] }),
    ),
  );
  expect(faults).toEqual([]);
  first = await welcomed(dial('inbound', ordersIdentity));
});

afterAll(async () => {
  first.destroy();
  await listeners.closeAll();
});

function dial(listener: string, certificate: TestCertificate | null, servername = ''): TLSSocket {
  const socket = connectTls({
    host: '127.0.0.1',
    port: listeners.boundPort(listener)!,
    ca: certificatePem(root),
    checkServerIdentity: () => undefined,
    ...(certificate === null ? {} : { cert: certificate.chainPem, key: certificate.keyPem }),
    ...(servername === '' ? {} : { servername }),
  });
  socket.on('error', () => {});
  return socket;
}

async function welcomed(socket: TLSSocket): Promise<TLSSocket> {
  const [hello] = (await once(socket, 'data')) as [Buffer];
  expect(hello.toString()).toBe('hello');
  return socket;
}

async function closed(socket: Socket): Promise<void> {
  while (!socket.closed) await new Promise<void>((resolve) => void socket.once('close', resolve));
}

const refusals = (reason: string): number =>
  [...stats.counters.values()]
    .filter(({ family, labels }) => family === 'outrigger_tls_peers_refused_total' && labels['reason'] === reason)
    .reduce((sum, { value }) => sum + value, 0);

async function lineAfter(count: number): Promise<string> {
  while (lines.length <= count) await new Promise<void>((resolve) => void waiting.push(resolve));
  return lines[count]!;
}

async function othersGoOn(): Promise<void> {
  const echoed = once(first, 'data');
  first.write('still here');
  expect(String((await echoed)[0])).toBe('still here');
  (await welcomed(dial('inbound', ordersIdentity))).destroy();
}

describe('a listener that wants one identity', () => {
  it.each([
    ...wrongIdentities,
    ['a certificate for servers only', 'key-usage', forServersOnly] as const,
    ['no certificate', 'no-certificate', null] as const,
  ])('refuses a client with %s: %s', async (_what, reason, certificate) => {
    const [count, before, accepted] = [lines.length, refusals(reason), handed.length];
    const socket = dial('inbound', certificate);
    const line = await lineAfter(count);
    await closed(socket);
    expect(line).toContain(`listener inbound: no TLS with 127.0.0.1:`);
    expect(line).toContain(`(${reason}): `);
    expect(refusals(reason)).toBe(before + 1);
    expect(handed).toHaveLength(accepted);
    await othersGoOn();
    expect(lines).toHaveLength(count + 1);
  });

  it('or asks for none by name, lets nobody in who claims one and has none', async () => {
    const claims = wrongIdentities.filter(([, reason]) => !reason.startsWith('wrong-'));
    for (const [what, reason, certificate] of claims) {
      const [count, accepted] = [lines.length, handed.length];
      if (what === 'no name at all' || what === 'the identity as its subject') {
        (await welcomed(dial('unnamed', certificate))).destroy();
        expect(handed.at(-1)!.peerService).toBe('');
        continue;
      }
      const socket = dial('unnamed', certificate);
      expect([what, await lineAfter(count)]).toEqual([what, expect.stringContaining(`(${reason}): `)]);
      await closed(socket);
      expect(handed).toHaveLength(accepted);
    }
    (await welcomed(dial('unnamed', ordersIdentity))).destroy();
    expect(handed.at(-1)!.peerService).toBe('shop/orders');
  });

  it('takes the identity with names of other types beside it, and a certificate for clients only', async () => {
    for (const certificate of [
      identity(root, ordersId, { dnsNames: ['*.orders_1.shop-a', 'orders'] }),
      forClientsOnly,
    ]) {
      (await welcomed(dial('inbound', certificate))).destroy();
      expect(handed.at(-1)!.peerService).toBe('shop/orders');
      expect(handed.at(-1)!.peer!.uris).toEqual([ordersId]);
    }
  });
});

/** The first flight of a client that asks for `name`, with a NUL in the place of each `!`. */
async function clientHello(name: string): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connectTls({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, servername: name });
  client.on('error', () => {});
  const [socket] = await accepted;
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  const at = hello.indexOf(name);
  const patched = Buffer.from(hello);
  patched.write(name.replaceAll('!', '\0'), at, 'latin1');
  return patched;
}

const noChain = (): number =>
  [...stats.counters.values()]
    .filter(({ name }) => name.endsWith('.no_filter_chain_match'))
    .reduce((sum, { value }) => sum + value, 0);

describe('SNI', () => {
  it.each(['orders.shop', 'ORDERS.Shop'])('of any case chooses the chain: %s', async (name) => {
    (await welcomed(dial('named', ordersIdentity, name))).destroy();
    expect(handed.at(-1)!.serverName).toBe('orders.shop');
  });

  it.each(['', 'payments.shop', 'orders.shop.evil', 'xorders.shop', 'orders.shop.'])(
    '%j is nobody’s name here, and gets no chain',
    async (name) => {
      const [before, accepted] = [noChain(), handed.length];
      const socket = dial('named', ordersIdentity, name);
      await closed(socket);
      expect(noChain()).toBe(before + 1);
      expect(handed).toHaveLength(accepted);
      await othersGoOn();
    },
  );

  it('absent is no fault where no name is asked for', async () => {
    (await welcomed(dial('inbound', ordersIdentity))).destroy();
    expect(handed.at(-1)!.serverName).toBe('');
  });

  it('with a NUL in it is nobody’s name, and no TLS either', async () => {
    const hello = await clientHello('orders.shop!evil');
    expect(hello.includes('orders.shop\0evil')).toBe(true);
    const [before, count, accepted] = [noChain(), lines.length, handed.length];
    for (const listener of ['named', 'inbound']) {
      const socket = connectTcp(listeners.boundPort(listener)!, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write(hello);
      await closed(socket);
    }
    expect(noChain()).toBe(before + 1);
    expect(await lineAfter(count)).toContain('(protocol): ');
    expect(handed).toHaveLength(accepted);
    await othersGoOn();
  });
});
