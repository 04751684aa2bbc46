import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProxyError } from '../codec/proxy-error.ts';
import type { TlsClientConfig, TlsServerConfig } from '../config/tls-config.ts';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import type { SecretLookup } from '../secret/secret-store.ts';
import { SecretTls } from '../secret/secret-tls.ts';
import { openTransport, type TlsSession } from './connect.ts';
import type { PeerFaultReason } from './peer-certificate.ts';
import { type HandshakeFailure, type SecuredConnection, ServerTls } from './server-tls.ts';
import { caPem, forged, orders, storefront, strangerPem } from './test/certificates.ts';

const ordersId = 'spiffe://cluster.local/ns/shop/sa/orders';
const storefrontId = 'spiffe://cluster.local/ns/shop/sa/storefront';

const serverConfig: TlsServerConfig = {
  certificates: [orders],
  trustedCaPem: caPem,
  subjectAltNames: [{ type: 'uri', exact: storefrontId }],
  alpn: ['h2', 'http/1.1'],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  requireClientCertificate: true,
};

const clientConfig: TlsClientConfig = {
  certificates: [storefront],
  trustedCaPem: caPem,
  subjectAltNames: [{ type: 'uri', exact: ordersId }],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  serverName: 'orders.shop',
};

interface ServerSide {
  readonly port: number;
  readonly secured: Array<SecuredConnection & { socket: TLSSocket }>;
  readonly failed: Array<{ reason: HandshakeFailure; message: string; peerReason: PeerFaultReason | null }>;
  settled(): Promise<void>;
}

interface ClientSide {
  socket: Socket | null;
  alpn: string;
  error: ProxyError | null;
  reason: string;
  sessions: TlsSession[];
}

const wheel = new TimerWheel(systemClock);
const open: Array<Server | Socket> = [];
afterEach(() => {
  for (const item of open.splice(0)) {
    if ('listen' in item) item.close();
    else item.destroy();
  }
  if (wheel.armedCount > 0) throw new Error('a timer was left armed');
});

async function serve(
  config: TlsServerConfig,
  timeoutMs = 5_000,
  secrets: SecretLookup | null = null,
): Promise<ServerSide> {
  const waiting: Array<() => void> = [];
  const side = { secured: [] as ServerSide['secured'], failed: [] as ServerSide['failed'] };
  const told = (): void => {
    for (const wake of waiting.splice(0)) wake();
  };
  const tls = new ServerTls(new SecretTls(config, secrets), timeoutMs, systemClock, {
    onSecured: (socket, secured) => {
      socket.on('error', () => {});
      socket.resume();
      side.secured.push({ socket, ...secured });
      told();
    },
    onHandshakeFailed: (reason, message, peerReason) => {
      side.failed.push({ reason, message, peerReason });
      told();
    },
  });
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.push(socket);
    tls.accept(socket);
  });
  open.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...side,
    port: (server.address() as AddressInfo).port,
    settled: () => new Promise((resolve) => void waiting.push(resolve)),
  };
}

function dial(
  port: number,
  tls: TlsClientConfig | null,
  alpn: readonly string[] = ['h2'],
  session: TlsSession | null = null,
  timeoutMs = 5_000,
): Promise<ClientSide> {
  return new Promise((resolve) => {
    const side: ClientSide = { socket: null, alpn: '', error: null, reason: '', sessions: [] };
    openTransport(
      { host: '127.0.0.1', port, tls, alpn, session, timeoutMs, clock: systemClock, wheel },
      {
        onConnected: (socket, agreed) => {
          open.push(socket);
          socket.on('error', () => {});
          side.socket = socket;
          side.alpn = agreed;
          resolve(side);
        },
        onConnectFailed: (error, reason) => {
          side.error = error;
          side.reason = reason;
          resolve(side);
        },
        onSession: (kept) => side.sessions.push(kept),
      },
    );
  });
}

describe('TLS between sidecars', () => {
  it('agrees on ALPN and knows both names', async () => {
    const server = await serve(serverConfig);
    const settled = server.settled();
    const client = await dial(server.port, clientConfig);
    await settled;
    expect(client.alpn).toBe('h2');
    expect(server.secured[0]!.alpn).toBe('h2');
    expect(server.failed).toEqual([]);
  });

  it('works without ALPN in common by agreeing on none of it only when nobody offers', async () => {
    const server = await serve({ ...serverConfig, alpn: [] });
    const client = await dial(server.port, clientConfig);
    expect(client.error).toBeNull();
    expect(client.alpn).toBe('');
  });

  it('refuses a server of another CA that claims the name (identity spoofing)', async () => {
    const server = await serve({ ...serverConfig, certificates: [forged] });
    const client = await dial(server.port, clientConfig);
    expect(client.reason).toBe('tls');
    expect(client.error).toMatchObject({
      flag: 'UF',
      retry: 'unsent',
      details: 'upstream_reset_before_response_started{connection_failure}',
    });
  });

  it('refuses a server of the right CA with another name', async () => {
    const server = await serve({ ...serverConfig, certificates: [storefront] });
    const client = await dial(server.port, clientConfig);
    expect(client.reason).toBe('tls');
    expect(client.error!.message).toContain(`the peer is ${storefrontId}; wanted is uri:${ordersId}`);
  });

  it('refuses a client without certificate, of a stranger CA, or with another name, and serves the next one', async () => {
    const server = await serve(serverConfig);
    for (const [certificates, reason] of [
      [[], 'peer'],
      [[forged], 'peer'],
      [[orders], 'peer'],
    ] as const) {
      const settled = server.settled();
      await dial(server.port, { ...clientConfig, certificates });
      await settled;
      expect(server.failed.pop()).toMatchObject({ reason });
    }
    const settled = server.settled();
    await dial(server.port, clientConfig);
    await settled;
    expect(server.secured).toHaveLength(1);
  });

  it('lets a client without certificate in when none is required, but not one with a certificate that is not trusted', async () => {
    const server = await serve({ ...serverConfig, requireClientCertificate: false, subjectAltNames: [] });
    let settled = server.settled();
    expect((await dial(server.port, { ...clientConfig, certificates: [] })).error).toBeNull();
    await settled;
    expect(server.secured).toHaveLength(1);
    settled = server.settled();
    await dial(server.port, { ...clientConfig, certificates: [forged] });
    await settled;
    expect(server.failed).toMatchObject([{ reason: 'peer' }]);
  });

  it('resumes a session under the configuration that judged its peer, and under no other', async () => {
    const server = await serve(serverConfig);
    const first = await dial(server.port, clientConfig);
    while (first.sessions.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const settled = server.settled();
    const second = await dial(server.port, clientConfig, ['h2'], first.sessions[0]!);
    await settled;
    expect((second.socket as TLSSocket).isSessionReused()).toBe(true);
    expect(server.secured).toHaveLength(2);
    const other = await dial(
      server.port,
      { ...clientConfig, subjectAltNames: [{ type: 'uri', exact: storefrontId }] },
      ['h2'],
      first.sessions[0]!,
    );
    expect(other.reason).toBe('tls');
    const fresh = await dial(server.port, clientConfig, ['h2'], { ...first.sessions[0]!, notAfterWallMs: 0 });
    expect((fresh.socket as TLSSocket).isSessionReused()).toBe(false);
  });

  it('keeps no session of a peer that was refused', async () => {
    const server = await serve({ ...serverConfig, certificates: [storefront], subjectAltNames: [] });
    const client = await dial(server.port, { ...clientConfig, minVersion: 'TLSv1.2' });
    expect(client.reason).toBe('tls');
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.sessions).toEqual([]);
  });

  it('does not resume a session of another identity under a server that trusts somebody else', async () => {
    const one = await serve(serverConfig);
    const first = await dial(one.port, clientConfig);
    while (first.sessions.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const two = await serve({ ...serverConfig, trustedCaPem: strangerPem });
    const settled = two.settled();
    await dial(two.port, clientConfig, ['h2'], first.sessions[0]!);
    await settled;
    expect(two.secured).toEqual([]);
    expect(two.failed).toHaveLength(1);
  });

  it('keeps faults of handshakes inside their connections (hardening.md, identity)', async () => {
    const server = await serve(serverConfig);
    for (const bytes of [
      'GET / HTTP/1.1\r\n\r\n',
      '\u0016\u0003\u0001\u0000\u0005\u0001\u0000\u0000\u0001\u0000',
      '\u0016\u0003\u0001\u0000\u0001',
    ]) {
      const settled = server.settled();
      const raw = connect(server.port, '127.0.0.1');
      open.push(raw);
      raw.on('error', () => {});
      raw.write(Buffer.from(bytes, 'latin1'));
      if (bytes.length === 5) raw.once('connect', () => raw.resetAndDestroy());
      await settled;
    }
    expect(server.failed.map(({ reason }) => reason)).toEqual(['protocol', 'protocol', 'protocol']);
  });

  it('ends a handshake that stalls', async () => {
    const server = await serve(serverConfig, 60);
    const settled = server.settled();
    const raw = connect(server.port, '127.0.0.1');
    open.push(raw);
    raw.on('error', () => {});
    await settled;
    expect(server.failed).toMatchObject([
      { reason: 'timeout', message: 'the TLS handshake was not done within 60 ms' },
    ]);
  });
});

describe('openTransport', () => {
  it('says that the connection was refused, and that nothing was sent', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const client = await dial(port, null);
    expect(client.reason).toBe('refused');
    expect(client.error).toMatchObject({
      flag: 'UF',
      retry: 'unsent',
      message: `No connection to the service: 127.0.0.1:${port}: connection refused.`,
    });
  });

  it.each([
    ['at once', Buffer.alloc(0)],
    ['in the middle of its hello', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00])],
  ])('lets go of a client that says goodbye %s, as a TCP health probe does', async (_when, first) => {
    const server = await serve(serverConfig);
    const settled = server.settled();
    const probe = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
    open.push(probe);
    probe.resume();
    probe.end(first);
    await once(probe, 'close');
    await settled;
    expect(server.failed).toMatchObject([{ reason: 'protocol', peerReason: null }]);
  });

  it('keeps the other direction of a client that has said all after the handshake', async () => {
    const server = await serve(serverConfig);
    const settled = server.settled();
    const client = await dial(server.port, clientConfig);
    await settled;
    const { socket } = server.secured[0]!;
    const ended = once(socket, 'end');
    client.socket!.end('all');
    await ended;
    const heard = once(client.socket!, 'data');
    socket.end('still here');
    expect(String((await heard)[0])).toBe('still here');
  });

  it('counts the handshake into the time limit (Envoy connect_timeout)', async () => {
    const silent = createServer(() => {});
    open.push(silent);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const client = await dial((silent.address() as AddressInfo).port, clientConfig, ['h2'], null, 50);
    expect(client.reason).toBe('timeout');
    expect(client.error!.message).toContain('did not answer within 50 ms');
  });

  it('says nothing after cancel', async () => {
    const server = createServer();
    open.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const told: string[] = [];
    const attempt = openTransport(
      {
        host: '127.0.0.1',
        port: (server.address() as AddressInfo).port,
        tls: null,
        alpn: [],
        session: null,
        timeoutMs: 1_000,
        clock: systemClock,
        wheel,
      },
      { onConnected: () => told.push('connected'), onConnectFailed: () => told.push('failed'), onSession: () => {} },
    );
    attempt.cancel();
    attempt.cancel();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
  });
});

describe('TLS that cannot even begin, over a socket that is bound first', () => {
  const source = { address: '127.0.0.1', port: 0, freebind: true, transparent: false, mark: 0 };

  it.each([
    ['the certificate does not load', [], { ...clientConfig, certificates: [{ ...storefront, keyPem: 'none' }] }],
    ['a protocol has too long a name', ['x'.repeat(300)], clientConfig],
  ])('leaves no socket behind: %s', async (_, alpn, tls) => {
    const server = createServer();
    open.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let i = 0; i < 10; i++) {
      const failed = Promise.withResolvers<readonly [ProxyError, string]>();
      openTransport(
        {
          ...{ host: '127.0.0.1', port, tls: tls as TlsClientConfig, alpn, source, session: null, timeoutMs: 0 },
          ...{ clock: systemClock, wheel },
        },
        {
          onConnected: () => failed.reject(new Error('connected')),
          onConnectFailed: (error, reason) => failed.resolve([error, reason]),
          onSession: () => {},
        },
      );
      const [{ message }, reason] = await failed.promise;
      expect(reason).toBe('tls');
      expect(message).toContain('TLS cannot begin');
    }
    // Sockets that were made are closed a turn of the loop later, on both sides.
    server.on('connection', (socket) => socket.on('error', () => {}).resume());
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await expect.poll(descriptors).toBeLessThanOrEqual(before);
  });
});
