/** Which chain a connection gets by its first bytes, by its silence, or by an upstream that speaks first; over real sockets. */
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import {
  Backend,
  Client,
  cluster,
  httpFilter,
  httpInspector,
  type Json,
  listener,
  originalDst,
  TcpRig,
  tcpFilter,
  tlsInspector,
  until,
} from '../tcp-proxy/test/tcp-rig.ts';

const cleanUp: Array<() => unknown> = [];
afterEach(async () => {
  for (const action of cleanUp.splice(0).toReversed()) await action();
});

async function backend(serve: Parameters<typeof Backend.start>[0]): Promise<Backend> {
  const made = await Backend.start(serve);
  cleanUp.push(() => made.close());
  return made;
}

/** `from`: its own address. */
function client(made: TcpRig, name = 'in', from?: string): Client {
  const each = new Client(made.port(name), '127.0.0.1', from);
  cleanUp.push(() => each.socket.destroy());
  return each;
}

/** HTTP goes to a connection manager, everything else to a TCP proxy. Silence lasts a minute of the wheel's time, which only `later` lets pass. */
async function detecting(port: number, more: Json = {}): Promise<TcpRig> {
  const made = new TcpRig();
  cleanUp.push(() => made.close());
  const faults = await made.apply({
    listeners: [
      listener('in', [], {
        listener_filters: [tlsInspector, httpInspector],
        listener_filters_timeout: '60s',
        continue_on_listener_filters_timeout: true,
        filter_chains: [
          {
            name: 'http',
            filter_chain_match: { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'h2c'] },
            filters: [httpFilter('from http')],
          },
          {
            name: 'tls',
            filter_chain_match: { transport_protocol: 'tls', server_names: ['db.shop'] },
            filters: [tcpFilter('tls-passthrough', { stat_prefix: 'tls' })],
          },
        ],
        default_filter_chain: { name: 'tcp', filters: [tcpFilter('app')] },
        ...more,
      }),
    ],
    clusters: [cluster('app', [port]), cluster('tls-passthrough', [port])],
  });
  expect(faults).toEqual([]);
  return made;
}

const echo = (socket: Socket): void => {
  socket.pipe(socket);
};
const inspecting = (made: TcpRig): boolean => made.gauge('listener.127.0.0.1_0.downstream_pre_cx_active') > 0;
const race = (made: TcpRig, who: 'upstream' | 'caller'): number =>
  made.counter(`listener.127.0.0.1_0.outrigger_race_${who}_first`);
const request = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';

describe('a connection whose first bytes are looked at', () => {
  it('is HTTP when it begins so, in whatever pieces, and nothing else', async () => {
    const { port } = await backend(echo);
    const made = await detecting(port);
    await client(made).say(request).hears('from http');
    const slow = client(made);
    for (const byte of request) {
      slow.say(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await slow.hears('from http');
    await client(made).say('SELECT 1\n').hears('SELECT 1\n');
    await client(made).say(`GET /\n`).hears('GET /\n');
    expect(race(made, 'caller')).toBe(0);
  });

  it('has its SNI in the log and, where the configuration names it, in metrics, also when TLS is not ended here', async () => {
    const { port } = await backend((socket) => socket.once('data', () => socket.end('seen')));
    const made = await detecting(port);
    await client(made).say(clientHello('db.shop')).hears('seen');
    await until(() => made.stats.counters.has('tcp.tls.downstream_cx_total'));
    expect(made.counter('tcp.tls.downstream_cx_total')).toBe(1);
    expect(Object.keys(made.family('outrigger_tcp_connections_opened_total'))[0]).toContain('server_name=db.shop');
    const other = await client(made).say(clientHello('evil.example')).hears('seen');
    other.socket.end();
    await until(() => made.lines.length > 0);
    expect(made.lines.at(-1)).toMatchObject({ server_name: 'evil.example', cluster: 'app' });
    expect(Object.keys(made.family('outrigger_tcp_connections_opened_total'))[1]).toContain('server_name=other');
  });

  it('goes on by what it said when it says no more', async () => {
    const { port } = await backend(echo);
    const made = await detecting(port);
    const caller = client(made);
    caller.socket.end('GE');
    await caller.until(() => caller.ended);
    expect(caller.text).toBe('GE');
    const mute = client(made);
    mute.socket.end();
    await mute.until(() => mute.ended);
    expect(made.counter('tcp.tcp.downstream_cx_total')).toBe(2);
  });

  it('is not waited for where its destination has one chain only', async () => {
    const { port } = await backend((socket) => socket.write('220 ready'));
    const made = new TcpRig();
    cleanUp.push(() => made.close());
    await made.apply({
      listeners: [
        listener('in', [], {
          listener_filters: [tlsInspector, httpInspector],
          filter_chains: [
            {
              filter_chain_match: { destination_port: 1, application_protocols: ['http/1.1'] },
              filters: [httpFilter('x')],
            },
          ],
          default_filter_chain: { filters: [tcpFilter('app')] },
        }),
      ],
      clusters: [cluster('app', [port])],
    });
    await client(made).hears('220 ready');
    expect(race(made, 'upstream')).toBe(0);
  });

  it('is not looked at where the filter is disabled for its port', async () => {
    const { port } = await backend(echo);
    const made = await detecting(port, {
      listener_filters: [tlsInspector, { ...httpInspector, filter_disabled: { any_match: true } }],
    });
    await client(made).say(request).hears(request);
  });

  it('is closed when it stays silent, unless continue_on_listener_filters_timeout is set', async () => {
    const { port } = await backend((socket) => socket.write('220 ready'));
    const made = await detecting(port, { continue_on_listener_filters_timeout: false });
    const caller = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await caller.until(() => caller.ended || caller.closed);
    expect(caller.text).toBe('');
    expect(made.counter('listener.127.0.0.1_0.downstream_pre_cx_timeout')).toBe(1);
  });
});

describe('a caller whose TLS comes later than listener_filters_timeout', () => {
  /** As inbound ports that speak HTTP: plaintext where nothing else is known. */
  const httpByDefault = { default_filter_chain: { name: 'plain', filters: [httpFilter('from http')] } };

  it('is not taken for one that speaks plaintext, be it that all or half of it is late', async () => {
    const { port } = await backend((socket) => socket.once('data', () => socket.end('seen')));
    const made = await detecting(port, httpByDefault);
    const hello = clientHello('db.shop');
    for (const first of [0, 3, 40]) {
      const caller = client(made);
      if (first > 0) caller.say(hello.subarray(0, first));
      await until(() => inspecting(made));
      await new Promise((resolve) => setImmediate(resolve));
      made.later(60_100);
      await caller.say(hello.subarray(first)).hears('seen');
    }
    expect(made.counter('listener.127.0.0.1_0.downstream_pre_cx_timeout')).toBe(3);
  });

  it('is waited for ten seconds, and one where no chain takes who is silent', async () => {
    const { port } = await backend(echo);
    const made = await detecting(port, httpByDefault);
    const caller = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await until(() => made.counter('listener.127.0.0.1_0.downstream_pre_cx_timeout') === 1);
    expect(inspecting(made)).toBe(true);
    made.later(10_100);
    await until(() => !inspecting(made));
    await caller.say(request).hears('from http');
    const strict = await detecting(port, { default_filter_chain: undefined });
    const cut = client(strict);
    await until(() => inspecting(strict));
    strict.later(60_100);
    await until(() => strict.counter('listener.127.0.0.1_0.downstream_pre_cx_timeout') === 1);
    expect(cut.ended || cut.closed).toBe(false);
    strict.later(1_100);
    await cut.until(() => cut.ended || cut.closed);
  });
});

describe('a caller that is silent', () => {
  it('hears a server that speaks first, and on its next connection at once', async () => {
    const { port } = await backend((socket) => {
      socket.write('220 ready\r\n');
      socket.on('data', (chunk) => socket.write(`got ${String(chunk)}`));
    });
    const made = await detecting(port);
    const caller = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await caller.hears('220 ready');
    await caller.say('EHLO\r\n').hears('got EHLO');
    // Nobody lets time pass for this one.
    await client(made).hears('220 ready');
    expect([race(made, 'upstream'), race(made, 'caller')]).toEqual([2, 0]);
    expect(made.counter('tcp.tcp.downstream_cx_total')).toBe(2);
    // After a while it is found out anew.
    made.later(600_000);
    const later = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await later.hears('220 ready');
  });

  it('says nothing of others: the TLS of one that is slower than the server is not taken for plaintext', async () => {
    const { port } = await backend((socket) => socket.write('220 ready\r\n'));
    const made = await detecting(port);
    const caller = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await caller.hears('220 ready');
    const other = client(made, 'in', '127.0.0.2');
    // The first is known, and is served while the other is still waited for.
    await client(made).hears('220 ready');
    expect(inspecting(made)).toBe(true);
    await other.say(clientHello('db.shop')).hears('220 ready');
    expect([race(made, 'upstream'), race(made, 'caller')]).toEqual([2, 0]);
    expect(made.counter('tcp.tls.downstream_cx_total')).toBe(1);
    // Nor is one that came by TLS taken for silent later, where it was so slow once that it was.
    const slow = client(made, 'in', '127.0.0.2');
    await until(() => made.gauge('listener.127.0.0.1_0.downstream_pre_cx_active') === 1);
    made.later(60_100);
    await slow.hears('220 ready');
    const next = client(made, 'in', '127.0.0.2');
    await client(made).hears('220 ready');
    expect(inspecting(made)).toBe(true);
    await next.say(clientHello('db.shop')).hears('220 ready');
    expect(made.counter('tcp.tls.downstream_cx_total')).toBe(2);
  });

  it('and then says HTTP is served as HTTP; the connection that was made for it is given up', async () => {
    const { port, sockets } = await backend(() => {});
    const made = await detecting(port);
    const caller = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await until(() => sockets.length > 0);
    await caller.say(request).hears('from http');
    await until(() => made.gauge('cluster.app.upstream_cx_active') === 0);
    expect([race(made, 'upstream'), race(made, 'caller')]).toEqual([0, 1]);
    expect(made.counter('tcp.tcp.downstream_cx_total')).toBe(0);
    expect(made.lines).toEqual([]);
  });

  it('and then says something else has the connection that was made for it', async () => {
    const server = await backend(echo);
    const made = await detecting(server.port);
    const caller = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await until(() => server.sockets.length > 0);
    await caller.say('SELECT 1\n').hears('SELECT 1\n');
    expect(server.sockets).toHaveLength(1);
    expect(made.counter('cluster.app.upstream_cx_total')).toBe(1);
  });

  it('is cut when the server cannot be reached, a second later: it may only be slow to say HTTP', async () => {
    const gone = await Backend.start(() => {});
    const { port } = gone;
    await gone.close();
    const made = await detecting(port);
    const [mute, slow] = [client(made), client(made)];
    await until(() => made.gauge('listener.127.0.0.1_0.downstream_pre_cx_active') === 2);
    made.later(60_100);
    await until(() => made.counter('cluster.app.upstream_cx_connect_fail') === 2);
    await slow.say(request).hears('from http');
    expect(mute.closed).toBe(false);
    await until(() => made.wheel.armedCount > 0);
    made.later(1_100);
    await mute.until(() => mute.closed);
    expect(mute.error).toBe('ECONNRESET');
    expect(made.lines).toMatchObject([{ flags: 'UF,URX' }]);
  });

  it('is cut a second later where there is no host, and leaves no timer behind', async () => {
    const { port } = await backend(echo);
    const made = await detecting(port, {
      default_filter_chain: { name: 'tcp', filters: [tcpFilter('nobody')] },
    });
    const [mute, gone] = [client(made), client(made)];
    await until(() => made.gauge('listener.127.0.0.1_0.downstream_pre_cx_active') === 2);
    const armed = made.wheel.armedCount - 2;
    made.later(60_100);
    gone.socket.resetAndDestroy();
    await until(() => made.gauge('listener.127.0.0.1_0.downstream_pre_cx_active') === 1);
    made.later(1_100);
    await mute.until(() => mute.closed);
    expect(made.lines).toMatchObject([{ flags: 'NC' }]);
    expect(made.wheel.armedCount).toBe(armed);
  });

  it('hears the end of a server that ends without a word', async () => {
    const { port } = await backend((socket) => socket.end());
    const made = await detecting(port);
    const caller = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await caller.until(() => caller.ended);
    caller.socket.end();
    await until(() => made.lines.length > 0);
    expect(made.lines).toMatchObject([{ flags: null, cluster: 'app' }]);
  });

  it('leaves nothing behind when it goes', async () => {
    const server = await backend(() => {});
    const made = await detecting(server.port);
    const caller = client(made);
    await until(() => inspecting(made));
    made.later(60_100);
    await until(() => server.sockets.length > 0);
    caller.socket.resetAndDestroy();
    await until(() => !inspecting(made));
    await until(() => made.gauge('cluster.app.upstream_cx_active') === 0);
    expect(made.lines).toEqual([]);
  });
});

describe('a connection that no filter chain takes', () => {
  it('is counted, and logged with NR where the listener has an access log', async () => {
    const { port } = await backend(echo);
    const filter = {
      or_filter: {
        filters: [
          { status_code_filter: { comparison: { op: 'GE', value: { default_value: 500, runtime_key: 'x' } } } },
          { response_flag_filter: {} },
        ],
      },
    };
    const log = {
      name: 'log',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog' },
      filter,
    };
    const made = await detecting(port, { default_filter_chain: undefined, access_log: [log] });
    const caller = client(made).say('SELECT 1\n');
    await caller.until(() => caller.ended || caller.closed);
    expect(made.counter('listener.127.0.0.1_0.no_filter_chain_match')).toBe(1);
    expect(made.lines).toMatchObject([{ flags: 'NR', details: 'filter_chain_not_found', listener: 'in' }]);
  });

  it('is cut when this sidecar has made it itself: rules that do not leave its traffic alone', async () => {
    const made = new TcpRig();
    cleanUp.push(() => made.close());
    // As if a rule sent it to the listener.
    const listeners = [
      listener('in', [tcpFilter('back')], { listener_filters: [originalDst] }),
      listener('first', [tcpFilter('back')]),
    ];
    await made.apply({ listeners, clusters: [cluster('back', [1])] });
    await made.apply({ listeners, clusters: [cluster('back', [made.port('in')])] });
    const caller = client(made, 'first').say('x');
    await caller.until(() => caller.closed || caller.ended);
    expect(made.told.join('\n')).toContain("is this sidecar's own: the redirect rules do not leave its traffic alone");
    expect(made.counter('cluster.back.upstream_cx_total')).toBe(1);
  });

  it('is served where a filter chain names the port: whoever means the listener itself', async () => {
    const once = await Backend.start(() => {});
    const { port } = once;
    await once.close();
    const { port: app } = await backend(echo);
    const made = await detecting(app, {
      address: { socket_address: { address: '127.0.0.1', port_value: port } },
      listener_filters: [originalDst],
      filter_chains: [{ name: 'app', filter_chain_match: { destination_port: port }, filters: [tcpFilter('app')] }],
    });
    await client(made).say('hello').hears('hello');
    const looping = await detecting(app, {
      address: { socket_address: { address: '127.0.0.2', port_value: port } },
      listener_filters: [originalDst],
      filter_chains: [{ name: 'loop', filter_chain_match: { destination_port: port }, filters: [tcpFilter('app')] }],
    });
    const cut = new Client(port, '127.0.0.2');
    await cut.until(() => cut.closed);
    expect(looping.family('outrigger_interception_loops_total')).toEqual({ [`listener=127.0.0.2_${port}`]: 1 });
  });

  const outside = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

  it.runIf(outside !== undefined)(
    'is cut where it is inbound, for loopback, and of a caller that is not on it: forged',
    async () => {
      const app = await backend(echo);
      const made = new TcpRig();
      cleanUp.push(() => made.close());
      const named = { filter_chains: [{ name: 'app', filters: [tcpFilter('app')] }], listener_filters: [originalDst] };
      const inbound = listener('in', [], { ...named, traffic_direction: 'INBOUND' });
      await made.apply({ listeners: [inbound], clusters: [cluster('app', [app.port])] });
      // The listener's own port is a loop; a chain that names it takes who means it.
      const filter_chain_match = { destination_port: made.port('in') };
      const taking = { ...inbound, filter_chains: [{ name: 'app', filter_chain_match, filters: [tcpFilter('app')] }] };
      await made.apply({ listeners: [taking], clusters: [cluster('app', [app.port])] });
      await client(made).say('hello').hears('hello');
      const forger = connect({ host: '127.0.0.1', port: made.port('in'), localAddress: outside! });
      const error = await new Promise<NodeJS.ErrnoException>((resolve) => forger.once('error', resolve));
      expect(error.code).toBe('ECONNRESET');
      expect(made.told.join('\n')).toMatch(
        /was going to 127\.0\.0\.1:\d+, which nobody outside of this machine can call: it was cut/,
      );
      expect(made.counter('cluster.app.upstream_cx_total')).toBe(1);
    },
  );

  it('is cut when it was going to this very sidecar: it would come back for ever', async () => {
    const { port } = await backend(echo);
    const made = await detecting(port, { listener_filters: [originalDst] });
    const caller = client(made).say('x');
    await caller.until(() => caller.closed);
    expect(caller.error).toBe('ECONNRESET');
    expect(made.family('outrigger_interception_loops_total')).toEqual({ 'listener=127.0.0.1_0': 1 });
    expect(made.told.join('\n')).toContain(
      'which is the listener in of this sidecar: nothing may be sent to its own ports',
    );
    expect(made.counter('cluster.app.upstream_cx_total')).toBe(0);
  });
});

function uint(bytes: number, value: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return out;
}

function clientHello(serverName: string): Buffer {
  const counted = (bytes: number, body: Buffer): Buffer => Buffer.concat([uint(bytes, body.length), body]);
  const name = counted(2, Buffer.concat([Buffer.from([0]), counted(2, Buffer.from(serverName))]));
  const extensions = Buffer.concat([uint(2, 0), counted(2, name)]);
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    counted(1, Buffer.alloc(32)),
    counted(2, Buffer.from([0x13, 1])),
    counted(1, Buffer.from([0])),
    counted(2, extensions),
  ]);
  const message = Buffer.concat([Buffer.from([1]), counted(3, body)]);
  return Buffer.concat([Buffer.from([0x16, 3, 1]), counted(2, message)]);
}
