/** The same bootstrap, run by Envoy and then by our sidecar, does the same with TCP: what callers hear, which filter chain takes them, what is logged, and what is counted. What is different on purpose is listed. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { type RunningProxy, Stage } from './programs.ts';
import { listenerNames, type TcpPorts, tcpBootstrap } from './tcp-bootstrap.ts';

/** How a connection went, as its caller saw it. */
interface Seen {
  readonly heard: string;
  /** Cut: by the end of the stream or a reset, without the caller having ended it. */
  readonly cut: boolean;
}

interface Conversation {
  readonly port: keyof TcpPorts & string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly from?: string;
  readonly say?: Buffer | string;
  /** Ends when so many bytes were heard; else waits for the other side to end. Not at once: Envoy may drop who ends before it has looked at the first bytes. */
  readonly endAfter?: number;
  readonly reset?: boolean;
}

async function talk(
  ports: TcpPorts,
  { port, host = '127.0.0.1', from, say = '', endAfter, reset = false }: Conversation,
): Promise<Seen> {
  const socket = connect({
    host,
    port: ports[port as 'echo'],
    allowHalfOpen: true,
    ...(from === undefined ? {} : { localAddress: from }),
  });
  let heard = '';
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
    if (endAfter === undefined || heard.length < endAfter) return;
    if (reset) socket.resetAndDestroy();
    else socket.end();
  });
  const over = new Promise<void>((resolve) => {
    socket.on('end', resolve);
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
  });
  if (say.length > 0) socket.write(say);
  await over;
  socket.destroy();
  return { heard, cut: endAfter === undefined };
}

/** What a TLS client says first. */
async function helloOf(servername: string, ALPNProtocols: readonly string[]): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connectTls({
    ...{ host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    ...(servername === '' ? {} : { servername }),
    ALPNProtocols: [...ALPNProtocols],
  });
  client.on('error', () => {});
  const [socket] = await accepted;
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

const hellos: Readonly<Record<string, readonly [serverName: string, alpn: readonly string[]]>> = {
  'SNI that is named': ['db.shop', []],
  'SNI that is named, and ALPN': ['db.shop', ['h2', 'http/1.1']],
  'SNI that is named, and an ALPN that is not': ['db.shop', ['http/1.1']],
  'SNI by a wildcard': ['cache.shop', []],
  'SNI by the longer wildcard': ['cache.eu.shop', []],
  'SNI by a wildcard over two labels': ['a.b.shop', ['h2']],
  'SNI that nobody names': ['example.com', []],
  'SNI that nobody names, and ALPN': ['example.com', ['h2']],
  'SNI that nobody names, and ALPN in the order of the caller': ['example.com', ['http/1.1', 'h2']],
  'no SNI': ['', []],
};
const plain: Readonly<Record<string, string>> = {
  'HTTP/1.1': 'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
  'HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
  'HTTP/2 without TLS': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'something else': 'SELECT 1;\n',
  'something that begins like HTTP': 'GET me out of here\r\n',
};
const byAddress: Readonly<Record<string, Omit<Conversation, 'port'>>> = {
  'the source type before any': { host: '127.0.0.2', from: '127.0.0.1' },
  'the narrower source range': { host: '127.0.0.3', from: '127.0.0.9' },
  'the wider source range': { host: '127.0.0.3', from: '127.0.0.1' },
  'a source range that nothing has': { host: '127.0.0.3', from: '127.9.9.9' },
  'external only': { host: '127.0.0.4', from: '127.0.0.1' },
  'directly from there': { host: '127.0.0.5', from: '127.0.0.9' },
  'not directly from there': { host: '127.0.0.5', from: '127.0.0.1' },
  'no going back from the address': { host: '127.0.0.7', from: '127.0.0.1' },
};

/** Statistics that both have. */
const counted = [
  ...[
    'echo',
    'closes',
    'resets',
    'refused',
    'thrice',
    'empty',
    'full',
    'unknown',
    'idle',
    'long',
    'denied',
    'tried',
  ].flatMap((name) =>
    [
      'downstream_cx_total',
      'downstream_cx_no_route',
      'downstream_cx_rx_bytes_total',
      'downstream_cx_tx_bytes_total',
      'idle_timeout',
      'max_downstream_connection_duration',
    ].map((stat) => `tcp.${name}.${stat}`),
  ),
  ...['echo', 'closes', 'resets', 'left', 'refused', 'thrice', 'empty', 'full', 'idle', 'long'].flatMap((name) =>
    [
      'upstream_cx_total',
      'upstream_cx_active',
      'upstream_cx_connect_fail',
      'upstream_cx_connect_timeout',
      'upstream_cx_connect_attempts_exceeded',
      'upstream_cx_overflow',
      'upstream_cx_none_healthy',
      'upstream_cx_destroy',
      'upstream_cx_destroy_local',
      'upstream_cx_destroy_remote',
      'upstream_cx_destroy_with_active_rq',
      'upstream_cx_rx_bytes_total',
      'upstream_cx_tx_bytes_total',
      'upstream_rq_total',
      'upstream_rq_active',
      'upstream_rq_pending_total',
      'upstream_rq_pending_active',
      'upstream_rq_pending_overflow',
      'upstream_rq_pending_failure_eject',
      'upstream_rq_cancelled',
    ].map((stat) => `cluster.${name}.${stat}`),
  ),
  'rules.rbac.allowed',
  'rules.rbac.denied',
  'shadow_rules.rbac.shadow_allowed',
  'shadow_rules.rbac.shadow_denied',
];

/** Where we count something else, as `Envoy's ours`: who is denied by RBAC never reaches a host here, while Envoy connects before it has seen a byte. */
const differing: Readonly<Record<string, string>> = {
  'cluster.echo.upstream_cx_destroy': '4 3',
  'cluster.echo.upstream_cx_destroy_local': '1 0',
  'cluster.echo.upstream_cx_destroy_with_active_rq': '4 3',
  'cluster.echo.upstream_cx_total': '4 3',
  'cluster.echo.upstream_rq_pending_total': '4 3',
  'cluster.echo.upstream_rq_total': '4 3',
  'tcp.denied.downstream_cx_rx_bytes_total': '1 0',
};

/** Where we log something else: the flag of a denial, and the name of a cluster that is not there. */
const differingLines: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  denied: { flags: 'RBAC', host: null, received: 0 },
  unknown: { cluster: 'nobody-knows' },
};

interface Result {
  readonly seen: Map<string, Seen>;
  readonly chains: Map<string, string>;
  logged: ReadonlyArray<Readonly<Record<string, unknown>>>;
  stats: Readonly<Record<string, number | undefined>>;
}

describe('the same bootstrap file on Envoy and on the sidecar, TCP', () => {
  const stage = new Stage();
  const servers: Server[] = [];
  const results = {} as Record<'envoy' | 'sidecar', Result>;

  async function serve(on: (socket: Socket) => void): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      on(socket);
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function run(proxy: RunningProxy, ports: TcpPorts, logFile: string): Promise<Result> {
    const seen = new Map<string, Seen>();
    const say = async (name: string, conversation: Conversation): Promise<void> => {
      seen.set(name, await talk(ports, conversation));
    };
    await say('echo', { port: 'echo', say: 'hello', endAfter: 5 });
    await say('echo of much', { port: 'echo', say: 'x'.repeat(300_000), endAfter: 300_000 });
    await say('a server that speaks and closes', { port: 'closes' });
    await say('a server that resets', { port: 'resets', say: 'x' });
    await say('a caller that resets', { port: 'left', say: 'x', endAfter: 1, reset: true });
    await say('refused', { port: 'refused', say: 'x' });
    await say('refused, three attempts', { port: 'thrice' });
    await say('no host', { port: 'empty' });
    await say('no cluster', { port: 'unknown' });
    await say('idle', { port: 'idle', say: 'x' });
    await say('too long', { port: 'long', say: 'x' });
    await say('denied', { port: 'denied', say: 'x' });
    await say('denied by rules that are only tried', { port: 'tried', say: 'x', endAfter: 1 });
    // The second one finds no place.
    const first = connect(ports.full, '127.0.0.1');
    first.write('x');
    await once(first, 'data');
    await say('full', { port: 'full', say: 'x' });
    first.destroy();
    const chains = new Map<string, string>();
    const chosen = async (name: string, conversation: Omit<Conversation, 'port'>): Promise<void> => {
      const before = lines(logFile).length;
      await talk(ports, { port: 'chains', endAfter: 2, ...conversation });
      await waitFor(`the log of ${name}`, 10_000, () => lines(logFile).length > before);
      const line = lines(logFile).at(-1) as { listener: string; sni: string | null };
      chains.set(name, `${line.listener} ${line.sni}`);
    };
    await waitFor('the logs', 10_000, () => lines(logFile).length >= 15);
    const logged = lines(logFile)
      .filter((line) => (listenerNames as readonly string[]).includes((line as { listener: string }).listener))
      .map((line) => {
        const { listener, flags, status, protocol, received, sent, host, cluster, sni } = line as Record<
          string,
          unknown
        >;
        // What is absent is null in our JSON, whatever it is.
        return { listener, flags: flags ?? '-', status, protocol, received, sent, host, cluster, sni };
      })
      .toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
    for (const [name, [serverName, alpn]] of Object.entries(hellos))
      await chosen(name, { say: await helloOf(serverName, alpn) });
    for (const [name, text] of Object.entries(plain)) await chosen(name, { say: text });
    for (const [name, conversation] of Object.entries(byAddress))
      await chosen(name, { say: 'SELECT 1;\n', ...conversation });
    await waitFor('all connections to be over', 10_000, async () =>
      /cluster\.full\.upstream_cx_active: 0/.test(await proxy.admin('/stats')),
    );
    const text = await proxy.admin('/stats');
    const stats = Object.fromEntries(
      counted.map((name) => {
        const found = new RegExp(`^${name.replaceAll('.', '\\.')}: (\\d+)$`, 'm').exec(text);
        return [name, found === null ? undefined : Number(found[1])];
      }),
    );
    return { seen, chains, logged, stats };
  }

  beforeAll(async () => {
    const free = await freePorts(listenerNames.length + 2);
    const backends = {
      echo: await serve((socket) => void socket.pipe(socket)),
      closes: await serve((socket) => socket.end('that is all')),
      resets: await serve((socket) => socket.once('data', () => socket.resetAndDestroy())),
      names: await serve((socket) => socket.once('data', () => socket.write('ok')).on('end', () => socket.end())),
    };
    const ports = {
      ...Object.fromEntries(listenerNames.map((name, i) => [name, free[i]!])),
      admin: free.at(-2)!,
      closed: free.at(-1)!,
      backends,
    } as unknown as TcpPorts;
    for (const program of ['envoy', 'sidecar'] as const) {
      const logFile = stage.file(`${program}.log`, '');
      const bootstrap = tcpBootstrap(ports, logFile);
      const proxy =
        program === 'envoy'
          ? await stage.envoy(bootstrap, { flags: ['--file-flush-interval-msec', '10'] })
          : await stage.sidecar(bootstrap);
      results[program] = await run(proxy, ports, logFile);
      await proxy.program.stop();
    }
  }, 120_000);
  afterAll(async () => {
    await stage.stop();
    for (const server of servers) server.close();
  });

  it('callers hear the same', () => {
    expect(Object.fromEntries(results.sidecar.seen)).toEqual(Object.fromEntries(results.envoy.seen));
  });

  it('the same filter chain takes a connection, and the same SNI is logged', () => {
    expect(Object.fromEntries(results.sidecar.chains)).toEqual(Object.fromEntries(results.envoy.chains));
  });

  it('the same is logged', () => {
    expect(results.sidecar.logged).toEqual(
      results.envoy.logged.map((line) => ({ ...line, ...differingLines[line['listener'] as string] })),
    );
  });

  it('the same is counted, but for what is different on purpose', () => {
    const difference = Object.fromEntries(
      counted.flatMap((name) => {
        const [ours, envoys] = [results.sidecar.stats[name], results.envoy.stats[name]];
        return (ours ?? 0) === (envoys ?? 0) ? [] : [[name, `${envoys} ${ours}`]];
      }),
    );
    expect(difference).toEqual(differing);
  });
});

function lines(file: string): unknown[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as unknown);
}
