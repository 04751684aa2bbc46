/** Probes against real servers, plain and TLS. */
import { createServer as createHttp, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { HealthCheckConfig } from '../../config/health-check-config.ts';
import type { TlsClientConfig } from '../../config/tls-config.ts';
import { systemClock } from '../../runtime/clock.ts';
import { Log } from '../../runtime/log.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { StatStore } from '../../stats/stat-store.ts';
import { openTransport } from '../../transport/connect.ts';
import { caPem, orders, strangerPem } from '../../transport/test/certificates.ts';
import { clientCodecs } from '../client-codec.ts';
import { healthFlagsText } from '../host-health.ts';
import { RunningCluster } from '../running-cluster.ts';
import { assignment, clusterConfig, endpoint, locality } from '../test/scripted-upstream.ts';
import { checkConfig, httpCheckConfig } from './test/check-config.ts';

const ends: Array<() => void> = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

interface Checked {
  readonly flags: string;
  /** The line that says why it failed; ''. */
  readonly why: string;
  readonly stats: StatStore;
}

/** What the first check of the host at that port comes to. */
async function checkOnce(
  port: number,
  check: HealthCheckConfig['check'],
  more: Partial<HealthCheckConfig> = {},
  cluster: Partial<ClusterConfig> = {},
): Promise<Checked> {
  const { running, lines, stats } = run(port, check, more, cluster);
  await new Promise<void>((resolve) => running.whenWarm(resolve));
  const [host] = running.hosts.byAddress.values();
  const why = /failed its first health check: (.*)/.exec(lines.join('\n'))?.[1] ?? '';
  return { flags: healthFlagsText(host!.health), why, stats };
}

function run(
  port: number,
  check: HealthCheckConfig['check'],
  more: Partial<HealthCheckConfig> = {},
  cluster: Partial<ClusterConfig> = {},
): { running: RunningCluster; lines: string[]; stats: StatStore } {
  const wheel = new TimerWheel(systemClock);
  const lines: string[] = [];
  const stats = new StatStore();
  const running = new RunningCluster(
    clusterConfig({ healthCheck: checkConfig({ check, timeoutMs: 5_000, ...more }), ...cluster }),
    {
      stats,
      clock: systemClock,
      wheel,
      random: () => 0.5,
      createCodec: clientCodecs(systemClock, wheel),
      openTransport,
      log: new Log(systemClock, 'info', false, (line) => lines.push(line.trim())),
    },
    () => {},
  );
  running.setAssignment(assignment(locality([endpoint(`127.0.0.1:${port}`)])));
  ends.push(() => running.drain());
  return { running, lines, stats };
}

describe('HTTP probe', () => {
  const requests: IncomingMessage[] = [];
  const serve = (listener: RequestListener): Promise<number> => {
    requests.length = 0;
    return listen(
      createHttp((request, response) => {
        requests.push(request);
        listener(request, response);
      }),
    );
  };

  it('asks for the path with the host and headers that it was given', async () => {
    const port = await serve((_request, response) => response.end());
    const requestHeaders = {
      add: [{ name: 'x-probe', value: 'yes', keepEmpty: false, action: 'append' as const }],
      remove: ['user-agent'],
    };
    const check = httpCheckConfig({ host: 'shop.test', method: 'POST', requestHeaders });
    expect((await checkOnce(port, check)).flags).toBe('healthy');
    const [{ method, url, headers }] = requests as [IncomingMessage];
    expect({ method, url, headers }).toMatchObject({
      method: 'POST',
      url: '/healthz',
      headers: { host: 'shop.test', 'x-probe': 'yes' },
    });
    expect(headers['user-agent']).toBeUndefined();
  });

  it("says the cluster's name as host where nothing else is said", async () => {
    const port = await serve((_request, response) => response.end());
    await checkOnce(port, httpCheckConfig());
    expect(requests[0]!.headers).toMatchObject({ host: 'payments', 'user-agent': 'outrigger/HC' });
  });

  it('judges status, body and name of the service', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(202, { 'x-envoy-upstream-healthchecked-cluster': 'shop-a' });
      response.end('all is well here');
    });
    const accepted = { expected: [[200, 300] as const] };
    expect((await checkOnce(port, httpCheckConfig())).why).toBe('it answered 202');
    expect((await checkOnce(port, httpCheckConfig(accepted))).flags).toBe('healthy');
    const receive = ['all', 'here'].map((text) => Buffer.from(text));
    expect((await checkOnce(port, httpCheckConfig({ ...accepted, receive }))).flags).toBe('healthy');
    const reversed = httpCheckConfig({ ...accepted, receive: receive.toReversed() });
    expect((await checkOnce(port, reversed)).why).toBe('the body of its answer (202) is not the one expected');
    const early = httpCheckConfig({ ...accepted, receive, responseBufferBytes: 8 });
    expect((await checkOnce(port, early)).flags).toBe('/failed_active_hc');
    const named = (value: string): Promise<Checked> =>
      checkOnce(port, httpCheckConfig({ ...accepted, serviceName: { kind: 'prefix', value, ignoreCase: false } }));
    expect((await named('shop')).flags).toBe('healthy');
    const other = await named('bank');
    expect(other.why).toContain('it is another service');
    expect(other.stats.counters.get('cluster.payments.health_check.verify_cluster')!.value).toBe(1);
  });

  it('tells a host that does not answer in time, one that closes, and one where nobody listens', async () => {
    const silent = await serve(() => {});
    expect(await checkOnce(silent, httpCheckConfig(), { timeoutMs: 50 })).toMatchObject({
      flags: '/failed_active_hc/active_hc_timeout',
      why: 'it did not answer within 50 ms',
    });
    const closing = await serve((request) => request.socket.destroy());
    expect((await checkOnce(closing, httpCheckConfig())).flags).toBe('/failed_active_hc');
    const port = await listen(createTcp());
    ends.pop()!();
    expect((await checkOnce(port, httpCheckConfig())).why).toContain('connection refused');
  });

  it('keeps its connection for the next check, or does not', async () => {
    for (const reuseConnection of [true, false]) {
      const ports = new Set<number>();
      let asked = 0;
      let enough = (): void => {};
      const three = new Promise<void>((resolve) => (enough = resolve));
      const port = await serve((request, response) => {
        ports.add(request.socket.remotePort!);
        response.end();
        if (++asked === 3) enough();
      });
      run(port, httpCheckConfig(), { reuseConnection, noTrafficHealthyIntervalMs: 1, noTrafficIntervalMs: 1 });
      await three;
      expect(ports.size).toBe(reuseConnection ? 1 : 3);
    }
  });
});

describe('a probe over TLS', () => {
  const tls: TlsClientConfig = {
    certificates: [],
    trustedCaPem: caPem,
    subjectAltNames: [],
    alpn: [],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    serverName: '',
  };

  it("takes the cluster's own transport socket, with the check's ALPN", async () => {
    const offered: unknown[] = [];
    const server = createHttps({ cert: orders.chainPem, key: orders.keyPem, ALPNProtocols: ['health', 'http/1.1'] });
    server.on('request', (request, response) => {
      offered.push((request.socket as TLSSocket).alpnProtocol);
      response.end();
    });
    const port = await listen(server as unknown as Server);
    expect((await checkOnce(port, httpCheckConfig(), {}, { tls })).flags).toBe('healthy');
    expect((await checkOnce(port, httpCheckConfig(), { alpn: ['health'] }, { tls })).flags).toBe('healthy');
    expect(offered).toEqual(['http/1.1', 'health']);
    const plain = await checkOnce(port, httpCheckConfig());
    expect(plain.flags).toBe('/failed_active_hc');
    const stranger = await checkOnce(port, httpCheckConfig(), {}, { tls: { ...tls, trustedCaPem: strangerPem } });
    expect(stranger.why).toContain('TLS handshake');
    const connected = await checkOnce(port, { kind: 'tcp', send: null, receive: [] }, {}, { tls });
    expect(connected.flags).toBe('healthy');
  });

  it('takes another transport socket where the check asks for one (transport_socket_match_criteria)', async () => {
    const port = await listen(createHttp((_request, response) => response.end()));
    const transportMatches = [{ name: 'plain', match: { plain: 'true' }, tls: null }];
    const checked = await checkOnce(
      port,
      httpCheckConfig(),
      { transportMatch: { plain: 'true' } },
      { tls, transportMatches },
    );
    expect(checked.flags).toBe('healthy');
  });
});

describe('gRPC probe', () => {
  function health(serving: number, grpcStatus = '0'): Promise<{ port: number; asked: string[] }> {
    const asked: string[] = [];
    const server = createHttp2();
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        asked.push(`${headers[':path']} ${headers[':authority']} ${Buffer.concat(chunks).subarray(7).toString()}`);
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpcStatus }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, serving]));
      });
    });
    return listen(server as unknown as Server).then((port) => ({ port, asked }));
  }
  const check = {
    kind: 'grpc',
    serviceName: 'shop.Orders',
    authority: 'orders.test',
    metadata: { add: [], remove: [] },
  } as const;

  it('is well when the service is SERVING', async () => {
    const { port, asked } = await health(1);
    expect((await checkOnce(port, check)).flags).toBe('healthy');
    expect(asked).toEqual(['/grpc.health.v1.Health/Check orders.test shop.Orders']);
  });

  it('is not when it says otherwise, fails, or is no gRPC', async () => {
    const notServing = await health(2);
    expect((await checkOnce(notServing.port, check)).why).toBe('it answered NOT_SERVING');
    const failing = await health(1, '12');
    expect((await checkOnce(failing.port, check)).why).toBe('it answered gRPC status 12');
    const server = createHttp2((_request, response) => response.end('hello'));
    const port = await listen(server as unknown as Server);
    expect((await checkOnce(port, check)).why).toContain('not gRPC');
  });
});

describe('TCP probe', () => {
  const tcp = (send: string, ...receive: string[]): HealthCheckConfig['check'] => ({
    kind: 'tcp',
    send: send === '' ? null : Buffer.from(send),
    receive: receive.map((text) => Buffer.from(text)),
  });

  it('is content with a connection, or waits for what is expected', async () => {
    const port = await listen(
      createTcp((socket) => {
        socket.on('data', (chunk) => {
          socket.write(`<${chunk.toString()}`);
          setImmediate(() => socket.write('>'));
        });
      }),
    );
    expect((await checkOnce(port, tcp(''))).flags).toBe('healthy');
    expect((await checkOnce(port, tcp('ping', 'ping', '>'))).flags).toBe('healthy');
    expect((await checkOnce(port, tcp('ping', 'pong'), { timeoutMs: 50 })).flags).toBe(
      '/failed_active_hc/active_hc_timeout',
    );
  });

  it('fails when the host closes first, or never comes to the point', async () => {
    const closing = await listen(createTcp((socket) => void socket.end('bye')));
    expect((await checkOnce(closing, tcp('', 'hello'))).why).toContain('closed the connection');
    const endless = await listen(
      createTcp((socket) => {
        socket.on('error', () => {});
        socket.write(Buffer.alloc(100_000));
      }),
    );
    expect((await checkOnce(endless, tcp('', 'hello'))).why).toContain('is not among its first 65536 bytes');
  });
});
