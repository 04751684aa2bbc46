/** TCP proxies over real sockets: what goes through, how it ends, what is counted and logged. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { caPem, orders, storefront } from '../transport/test/certificates.ts';
import { Backend, Client, cluster, type Json, listener, TcpRig, tcpFilter, type, until } from './test/tcp-rig.ts';

const cleanUp: Array<() => unknown> = [];
afterEach(async () => {
  for (const action of cleanUp.splice(0).toReversed()) await action();
});

async function rig(listeners: readonly Json[], clusters: readonly Json[]): Promise<TcpRig> {
  const made = new TcpRig();
  cleanUp.push(() => made.close());
  expect(await made.apply({ listeners, clusters })).toEqual([]);
  return made;
}

async function backend(serve: Parameters<typeof Backend.start>[0]): Promise<Backend> {
  const made = await Backend.start(serve);
  cleanUp.push(() => made.close());
  return made;
}

function client(port: number): Client {
  const made = new Client(port);
  cleanUp.push(() => made.socket.destroy());
  return made;
}

const echo = (socket: Socket): void => {
  socket.pipe(socket);
};

async function freePort(): Promise<number> {
  const closed = await Backend.start(() => {});
  const { port } = closed;
  await closed.close();
  return port;
}

describe('a TCP proxy', () => {
  it('gives connections that have rested to be closed, the one that rested longest too, and none in which something goes on', async () => {
    const { port } = await backend(echo);
    const made = await rig([listener('db', [tcpFilter('db')])], [cluster('db', [port])]);
    const proxy = made.proxies[0]!;
    const first = client(made.port('db')).say('one');
    await first.hears('one');
    expect(proxy.idleConnections()).toEqual([]);
    made.later(60_000);
    const second = client(made.port('db')).say('two');
    await second.hears('two');
    made.later(6_000);
    const [longest, other] = proxy.idleConnections().toSorted((a, b) => a.idleSinceMs - b.idleSinceMs);
    expect(other!.idleSinceMs - longest!.idleSinceMs).toBeGreaterThanOrEqual(60_000);
    second.say('more');
    await second.hears('more');
    expect(proxy.idleConnections()).toEqual([longest]);
    longest!.closeIdle();
    await first.until(() => first.closed || first.ended);
    await until(() => made.lines.length > 0);
    expect(made.lines[0]).toMatchObject({ flags: 'LR', details: 'closed_to_make_room' });
    expect(proxy.idleConnections()).toEqual([]);
    await second.say('still').hears('still');
  });

  it('brings bytes both ways, counts and logs the connection when it is over', async () => {
    const { port } = await backend(echo);
    const made = await rig(
      [listener('db', [tcpFilter('outbound|5432||db.shop')])],
      [cluster('outbound|5432||db.shop', [port], { alt_stat_name: 'db' })],
    );
    const caller = client(made.port('db')).say('hello');
    await caller.hears('hello');
    expect(made.gauge('cluster.db.upstream_cx_active')).toBe(1);
    caller.socket.end();
    await caller.until(() => caller.closed);
    await until(() => made.lines.length > 0);
    expect(made.lines[0]).toMatchObject({
      protocol: 'tcp',
      flags: null,
      bytes_received: 5,
      bytes_sent: 5,
      upstream_host: `127.0.0.1:${port}`,
      cluster: 'outbound|5432||db.shop',
      attempts: 1,
      downstream_local: `127.0.0.1:${made.port('db')}`,
      listener: 'db',
    });
    expect(
      [
        'tcp.tcp.downstream_cx_total',
        'tcp.tcp.downstream_cx_rx_bytes_total',
        'tcp.tcp.downstream_cx_tx_bytes_total',
        'cluster.db.upstream_cx_total',
        'cluster.db.upstream_rq_total',
        'cluster.db.upstream_cx_tx_bytes_total',
        'cluster.db.upstream_cx_rx_bytes_total',
      ].map((name) => made.counter(name)),
    ).toEqual([1, 5, 5, 1, 1, 5, 5]);
    expect(made.gauge('cluster.db.upstream_cx_active')).toBe(0);
    const labels = 'direction=outbound source=shop/orders destination=shop/db server_name=';
    expect(made.family('outrigger_tcp_connections_opened_total')).toEqual({ [labels]: 1 });
    expect(made.family('outrigger_tcp_connections_closed_total')).toEqual({ [`${labels} flags=`]: 1 });
    expect(made.family('outrigger_tcp_received_bytes_total')).toEqual({ [labels]: 5 });
    expect(made.family('outrigger_tcp_sent_bytes_total')).toEqual({ [labels]: 5 });
  });

  it('lets the server speak first', async () => {
    const { port } = await backend((socket) => socket.write('220 ready\r\n'));
    const made = await rig([listener('mail', [tcpFilter('a')])], [cluster('a', [port])]);
    await client(made.port('mail')).hears('220 ready');
  });

  it('half-closes: a caller that has said all still hears the answer, and so does a server', async () => {
    const { port } = await backend((socket) => {
      let heard = '';
      socket.on('data', (chunk) => (heard += String(chunk)));
      socket.on('end', () => socket.end(`heard ${heard}`));
    });
    const made = await rig([listener('a', [tcpFilter('a')])], [cluster('a', [port])]);
    const caller = client(made.port('a'));
    caller.socket.end('question');
    await caller.until(() => caller.ended);
    expect(caller.text).toBe('heard question');

    const early = await backend((socket) => {
      socket.end('all I have');
      socket.on('data', (chunk) => (rest += String(chunk)));
    });
    let rest = '';
    await made.apply({ listeners: [listener('b', [tcpFilter('b')])], clusters: [cluster('b', [early.port])] });
    const other = client(made.port('b'));
    await other.until(() => other.ended);
    expect(other.text).toBe('all I have');
    other.socket.end('and I go on');
    await until(() => rest === 'and I go on');
    await other.until(() => other.closed);
  });

  it('hands on a reset, both ways', async () => {
    const { port } = await backend((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const made = await rig([listener('a', [tcpFilter('a')])], [cluster('a', [port])]);
    const caller = client(made.port('a')).say('x');
    await caller.until(() => caller.closed);
    expect(caller.error).toBe('ECONNRESET');

    let how = '';
    const other = await backend((socket) => {
      socket.resume();
      socket.on('error', (error: NodeJS.ErrnoException) => (how = error.code ?? ''));
    });
    await made.apply({ listeners: [listener('b', [tcpFilter('b')])], clusters: [cluster('b', [other.port])] });
    const leaving = client(made.port('b')).say('x');
    await until(() => other.sockets.length > 0);
    leaving.socket.resetAndDestroy();
    await until(() => how !== '');
    expect(how).toBe('ECONNRESET');
  });

  it('goes to Unix sockets too, and cuts those that have no reset', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-tcp-'));
    cleanUp.push(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'app');
    let closed = false;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('close', () => (closed = true));
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    cleanUp.push(() => server.close());
    const endpoint = { endpoint: { address: { pipe: { path } } } };
    const made = await rig(
      [listener('a', [tcpFilter('a')])],
      [cluster('a', [], { load_assignment: { cluster_name: 'a', endpoints: [{ lb_endpoints: [endpoint] }] } })],
    );
    const caller = await client(made.port('a')).say('hello').hears('hello');
    caller.socket.resetAndDestroy();
    await until(() => closed);
  });

  it('keeps a bounded buffer for a slow reader, and loses nothing', async () => {
    const bytes = randomBytes(12 * 1024 * 1024);
    let paused: Socket | null = null;
    const { port } = await backend((socket) => {
      paused = socket;
      socket.pause();
    });
    const made = await rig([listener('a', [tcpFilter('a')])], [cluster('a', [port])]);
    const caller = client(made.port('a'));
    caller.socket.end(bytes);
    await until(() => made.counter('tcp.tcp.downstream_flow_control_paused_reading_total') > 0);
    const server = paused as unknown as Socket;
    const hash = createHash('sha256');
    let count = 0;
    server.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      count += chunk.length;
    });
    server.on('end', () => server.end());
    server.resume();
    await caller.until(() => caller.closed);
    expect(count).toBe(bytes.length);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(made.counter('tcp.tcp.downstream_flow_control_resumed_reading_total')).toBeGreaterThan(0);
  });

  it('spreads connections by weight', async () => {
    const heard: string[] = [];
    const a = await backend((socket) => socket.end('a'));
    const b = await backend((socket) => socket.end('b'));
    const made = await rig(
      [
        listener('w', [
          tcpFilter('', {
            weighted_clusters: {
              clusters: [
                { name: 'a', weight: 1 },
                { name: 'b', weight: 1_000_000 },
              ],
            },
          }),
        ]),
      ],
      [cluster('a', [a.port]), cluster('b', [b.port])],
    );
    for (let i = 0; i < 5; i++) {
      const caller = client(made.port('w'));
      await caller.until(() => caller.ended);
      heard.push(caller.text);
      caller.socket.end();
    }
    expect(heard).toEqual(['b', 'b', 'b', 'b', 'b']);
  });

  it.each([
    [
      'UF,URX',
      async () => cluster('a', [await freePort()]),
      'upstream_reset_before_response_started{connection_failure}',
    ],
    ['UH', async () => cluster('a', []), 'no_healthy_upstream'],
    [
      'UO',
      async () => cluster('a', [1], { circuit_breakers: { thresholds: [{ max_connections: 0 }] } }),
      'upstream_reset_before_response_started{overflow}',
    ],
    ['NC', async () => cluster('another', [1]), 'cluster_not_found'],
  ])('cuts the caller with %s, as if nobody had listened', async (flags, clusterOf, details) => {
    const made = await rig([listener('l', [tcpFilter('a')])], [await clusterOf()]);
    const caller = client(made.port('l'));
    await caller.until(() => caller.closed);
    expect(caller.text).toBe('');
    expect(caller.error).toBe('ECONNRESET');
    await until(() => made.lines.length > 0);
    expect(made.lines[0]).toMatchObject({ flags, details, bytes_received: 0, bytes_sent: 0 });
    expect(Object.keys(made.family('outrigger_tcp_connections_closed_total'))[0]).toContain(`flags=${flags}`);
  });

  it('tries other hosts, as often as max_connect_attempts says', async () => {
    const { port } = await backend((socket) => socket.end('here'));
    const made = await rig(
      [listener('l', [tcpFilter('a', { max_connect_attempts: 2 })])],
      [cluster('a', [await freePort(), port])],
    );
    for (let i = 0; i < 4; i++) {
      const caller = client(made.port('l'));
      await caller.until(() => caller.ended || caller.closed);
      expect(caller.text).toBe('here');
      caller.socket.end();
    }
    expect(made.counter('cluster.a.upstream_cx_connect_fail')).toBeGreaterThan(0);
    expect(made.counter('cluster.a.upstream_cx_connect_attempts_exceeded')).toBe(0);
  });

  it('keeps to max_connections of the cluster (UO), and gives places back', async () => {
    const { port } = await backend(echo);
    const made = await rig(
      [listener('l', [tcpFilter('a')])],
      [cluster('a', [port], { circuit_breakers: { thresholds: [{ max_connections: 1 }] } })],
    );
    const first = await client(made.port('l')).say('1').hears('1');
    const second = client(made.port('l')).say('2');
    await second.until(() => second.closed);
    expect(made.counter('cluster.a.upstream_cx_overflow')).toBe(1);
    expect(made.gauge('cluster.a.circuit_breakers.default.cx_open')).toBe(1);
    first.socket.end();
    await first.until(() => first.closed);
    await client(made.port('l')).say('3').hears('3');
  });

  it('ends what is idle, and what takes too long (Envoy: idle_timeout, max_downstream_connection_duration)', async () => {
    const { port } = await backend(echo);
    const made = await rig(
      [
        listener('idle', [tcpFilter('a', { idle_timeout: '60s', stat_prefix: 'idle' })]),
        listener('long', [tcpFilter('a', { max_downstream_connection_duration: '90s', stat_prefix: 'long' })]),
      ],
      [cluster('a', [port])],
    );
    const [idle, long] = [client(made.port('idle')), client(made.port('long'))];
    await idle.say('1').hears('1');
    await long.say('1').hears('1');
    made.later(40_000);
    await idle.say('2').hears('2');
    await long.say('2').hears('2');
    made.later(40_000);
    await idle.say('3').hears('3');
    made.later(20_000);
    await long.until(() => long.ended);
    expect(idle.closed).toBe(false);
    made.later(60_000);
    await idle.until(() => idle.ended);
    expect(made.counter('tcp.idle.idle_timeout')).toBe(1);
    expect(made.counter('tcp.long.max_downstream_connection_duration')).toBe(1);
    expect(made.lines.map(({ flags, details }) => [flags, details])).toEqual([
      ['DT', 'max_duration_timeout'],
      [null, 'idle_timeout'],
    ]);
    expect(made.wheel.armedCount).toBeLessThanOrEqual(1);
  });

  it('cuts its connections when the process ends', async () => {
    const { port } = await backend(echo);
    const made = await rig([listener('l', [tcpFilter('a')])], [cluster('a', [port])]);
    const caller = await client(made.port('l')).say('1').hears('1');
    made.clusters.destroyAll();
    await caller.until(() => caller.ended);
    await until(() => made.lines.length > 0);
    expect(made.lines[0]!['flags']).toBe('UC');
  });

  it('goes on while its cluster is replaced and its listener is removed, until the drain time is over', async () => {
    const { port } = await backend(echo);
    const made = await rig([listener('l', [tcpFilter('a')])], [cluster('a', [port])]);
    const caller = await client(made.port('l')).say('1').hears('1');
    await made.apply({ listeners: [], clusters: [] });
    await caller.say('2').hears('12');
    expect(made.clusters.leavingCount).toBe(1);
    made.later(601_000);
    await caller.until(() => caller.ended);
    await until(() => made.clusters.leavingCount === 0);
    expect(made.lines[0]!['flags']).toBe('LR');
  });

  it('lives on in a chain that says the same when others of its listener come and go, and not in one that changed', async () => {
    const { port } = await backend(echo);
    const local = await freePort();
    const config = (more: readonly Json[], idle: string): Json =>
      listener('l', [], {
        address: { socket_address: { address: '127.0.0.1', port_value: local } },
        filter_chains: more,
        default_filter_chain: { filters: [tcpFilter('a', { idle_timeout: idle })] },
      });
    const made = await rig([config([], '3600s')], [cluster('a', [port])]);
    const caller = await client(local).say('1').hears('1');
    const another = { filter_chain_match: { destination_port: 1 }, filters: [tcpFilter('a')] };
    const clusters = [cluster('a', [port])];
    await made.apply({ listeners: [config([another], '3600s')], clusters });
    made.later(700_000);
    await caller.say('2').hears('12');
    expect(made.counter('listener_manager.listener_in_place_updated')).toBe(1);
    await made.apply({ listeners: [config([another], '1800s')], clusters });
    await caller.say('3').hears('123');
    made.later(700_000);
    await caller.until(() => caller.ended);
    expect(made.lines[0]!['flags']).toBe('LR');
  });

  it('is behind RBAC: who is denied is cut, counted and logged with the policy', async () => {
    const { port } = await backend(echo);
    const rbac = (address_prefix: string): Json => ({
      name: 'envoy.filters.network.rbac',
      typed_config: {
        ...type('envoy.extensions.filters.network.rbac.v3.RBAC'),
        stat_prefix: 'tcp.',
        rules: {
          action: 'DENY',
          policies: {
            'no-locals': {
              permissions: [{ any: true }],
              principals: [{ direct_remote_ip: { address_prefix, prefix_len: 8 } }],
            },
          },
        },
      },
    });
    const made = await rig(
      [listener('no', [rbac('127.0.0.0'), tcpFilter('a')]), listener('yes', [rbac('10.0.0.0'), tcpFilter('a')])],
      [cluster('a', [port])],
    );
    const denied = client(made.port('no')).say('x');
    await denied.until(() => denied.closed);
    await client(made.port('yes')).say('x').hears('x');
    await until(() => made.lines.length > 0);
    expect(made.lines[0]).toMatchObject({ flags: 'RBAC', policy: 'no-locals', listener: 'no' });
    expect([made.counter('tcp.rbac.denied'), made.counter('tcp.rbac.allowed')]).toEqual([1, 1]);
    expect(made.counter('cluster.a.upstream_cx_total')).toBe(1);
  });

  it('ends TLS of callers, and speaks TLS to hosts, with half-close through both', async () => {
    const server = createTlsServer({ cert: orders.chainPem, key: orders.keyPem, allowHalfOpen: true }, (socket) => {
      let heard = '';
      socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
      socket.on('end', () => socket.end(`heard ${heard.length}`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUp.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const secret = (certificate: { chainPem: string; keyPem: string }): Json => ({
      certificate_chain: { inline_string: certificate.chainPem },
      private_key: { inline_string: certificate.keyPem },
    });
    const downstreamTls: Json = {
      name: 'tls',
      typed_config: {
        ...type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
        require_client_certificate: true,
        common_tls_context: {
          tls_certificates: [secret(orders)],
          validation_context: { trusted_ca: { inline_string: caPem } },
        },
      },
    };
    const upstreamTls: Json = {
      name: 'tls',
      typed_config: {
        ...type('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
        common_tls_context: { validation_context: { trusted_ca: { inline_string: caPem } } },
      },
    };
    const made = await rig(
      [
        listener('l', [], {
          traffic_direction: 'INBOUND',
          filter_chains: [{ filters: [tcpFilter('a')], transport_socket: downstreamTls }],
        }),
      ],
      [cluster('a', [port], { transport_socket: upstreamTls })],
    );
    const socket: TLSSocket = connectTls({
      host: '127.0.0.1',
      port: made.port('l'),
      ca: caPem,
      cert: storefront.chainPem,
      key: storefront.keyPem,
      checkServerIdentity: () => undefined,
      allowHalfOpen: true,
    } as never);
    cleanUp.push(() => socket.destroy());
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    const ended = new Promise((resolve) => socket.on('end', resolve));
    socket.end('x'.repeat(300_000));
    await ended;
    expect(answer).toBe('heard 300000');
    await until(() => made.lines.length > 0);
    expect(made.lines[0]).toMatchObject({ flags: null, bytes_received: 300_000 });
    expect(String(made.lines[0]!['downstream_peer'])).toContain('spiffe://');
    expect(made.family('outrigger_inbound_connections_total')).toEqual({ 'security=mutual_tls': 1 });
    expect(made.counter('cluster.a.ssl.handshake')).toBe(1);
  });
});
