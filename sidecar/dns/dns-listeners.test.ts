import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { DnsConfig, DnsUpstreamConfig } from '../config/dns-config.ts';
import type { ListenerConfig, SocketAddress } from '../config/listener-config.ts';
import { systemClock } from '../runtime/clock.ts';
import { TimerWheel } from '../runtime/timer-wheel.ts';
import { StatStore } from '../stats/stat-store.ts';
import { DnsListeners } from './dns-listeners.ts';
import { type DnsMessage, flag, rcode, readMessage, recordType, writeMessage } from './dns-message.ts';
import { nameFromText } from './dns-name.ts';
import { framed } from './upstream-exchange.ts';

const domains: DnsConfig['domains'] = [
  { name: 'orders.shop', addresses: ['240.240.3.7', '2001:2::f0f0:307'], ttlSeconds: 30 },
  { name: 'orders.shop.svc.cluster.local', addresses: ['240.240.3.7'], ttlSeconds: 30 },
  { name: '*.wild.shop', addresses: ['10.0.0.1'], ttlSeconds: 60 },
  { name: '*.deep.wild.shop', addresses: ['10.0.0.2'], ttlSeconds: 60 },
  { name: 'many.shop', addresses: Array.from({ length: 100 }, (_, i) => `10.1.0.${i + 1}`), ttlSeconds: 60 },
];
const upstreamDefaults: DnsUpstreamConfig = {
  resolvers: null,
  tcpOnly: false,
  timeoutMs: 1_000,
  retries: 0,
  maxPending: 4,
};

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function listener(upstream: DnsUpstreamConfig | null, more: Partial<ListenerConfig> = {}): ListenerConfig {
  return {
    name: 'dns',
    address: { host: '127.0.0.1', port: 0 },
    direction: 'unspecified',
    filterChains: [],
    defaultFilterChain: null,
    bufferLimitBytes: 0,
    inspectTls: false,
    listenerFiltersTimeoutMs: 0,
    dns: { statPrefix: 'dns', domains, upstream },
    ...more,
  };
}

interface Started {
  readonly listeners: DnsListeners;
  readonly stats: StatStore;
  readonly port: number;
  apply(config: ListenerConfig): ReturnType<DnsListeners['apply']>;
}

async function start(upstream: DnsUpstreamConfig | null, resolvConf?: string): Promise<Started> {
  const stats = new StatStore();
  const listeners = new DnsListeners({
    ...{ clock: systemClock, wheel: new TimerWheel(systemClock), stats, log: null },
    ...(resolvConf === undefined ? {} : { resolvConf }),
  });
  closing.push(() => listeners.closeAll());
  const apply: Started['apply'] = (value) =>
    listeners.apply(
      new Map([['dns', { value, version: '', origin: 'static' as const, updatedWallMs: 0, raw: new Uint8Array() }]]),
    );
  expect(await apply(listener(upstream))).toEqual([]);
  return { listeners, stats, port: listeners.boundPort('dns')!, apply };
}

function query(name: string, type: number, more: Partial<DnsMessage> = {}): Buffer {
  const questions = [{ name: nameFromText(name), type, class: 1 }];
  return writeMessage({ id: 77, flags: 0x0100, questions, answers: [], authorities: [], additionals: [], ...more });
}

const opt = (maxBytes: number, ttl = 0): DnsMessage['additionals'] => [
  { name: nameFromText(''), type: recordType.opt, class: maxBytes, ttl, data: Buffer.alloc(0) },
];

function client(port: number): { send(bytes: Buffer): void; next(): Promise<DnsMessage> } {
  const socket = createSocket('udp4');
  const come: Buffer[] = [];
  let wanted: ((bytes: Buffer) => void) | null = null;
  socket.on('message', (bytes) => {
    if (wanted === null) come.push(bytes);
    else wanted(bytes);
    wanted = null;
  });
  closing.push(() => socket.close());
  return {
    send: (bytes) => socket.send(bytes, port, '127.0.0.1'),
    next: async () => readMessage(come.shift() ?? (await new Promise<Buffer>((resolve) => (wanted = resolve)))),
  };
}

async function ask(port: number, bytes: Buffer): Promise<DnsMessage> {
  const one = client(port);
  one.send(bytes);
  return one.next();
}

async function askByTcp(port: number, ...questions: readonly Buffer[]): Promise<DnsMessage[]> {
  const socket = connect(port, '127.0.0.1');
  closing.push(() => socket.destroy());
  socket.end(Buffer.concat(questions.map(framed)));
  let all = Buffer.alloc(0);
  for await (const bytes of socket) all = Buffer.concat([all, bytes as Buffer]);
  const messages: DnsMessage[] = [];
  for (let at = 0; at < all.length; at += 2 + all.readUInt16BE(at))
    messages.push(readMessage(all.subarray(at + 2, at + 2 + all.readUInt16BE(at))));
  return messages;
}

const code = ({ flags }: DnsMessage): number => flags & 0xf;
const dataOf = ({ answers }: DnsMessage): string[] => answers.map(({ data }) => [...data].join('.'));

/** Has it listen on a port that is free of both; the one that UDP gets may be another's by TCP. */
async function besideTcp(tcp: Server): Promise<UdpSocket> {
  for (;;) {
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
    const free = await new Promise<boolean>((resolve, reject) => {
      const taken = (error: NodeJS.ErrnoException): void =>
        error.code === 'EADDRINUSE' ? resolve(false) : reject(error);
      tcp.once('error', taken);
      tcp.listen(udp.address().port, '127.0.0.1', () => {
        tcp.off('error', taken);
        resolve(true);
      });
    });
    if (free) return udp;
    udp.close();
  }
}

/** A name server that does as `answer` says. */
async function server(
  answer: (message: DnsMessage, by: 'udp' | 'tcp', reply: (bytes: Buffer) => void, from: number) => void,
): Promise<SocketAddress> {
  const tcp: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) =>
      answer(readMessage(bytes.subarray(2)), 'tcp', (reply) => socket.write(framed(reply)), socket.remotePort!),
    );
  });
  const udp = await besideTcp(tcp);
  const { port } = udp.address();
  udp.on('message', (bytes, from) =>
    answer(readMessage(bytes), 'udp', (reply) => udp.send(reply, from.port, from.address), from.port),
  );
  closing.push(
    () => udp.close(),
    () => tcp.close(),
  );
  return { host: '127.0.0.1', port };
}

function answered(message: DnsMessage, data: readonly number[], more: Partial<DnsMessage> = {}): Buffer {
  const answers = [
    { name: message.questions[0]!.name, type: recordType.a, class: 1, ttl: 60, data: Buffer.from(data) },
  ];
  return writeMessage({ ...message, flags: flag.response | 0x0180, answers, ...more });
}

describe('a listener with dns_filter', () => {
  it('answers names of its table to Node’s resolver, in whatever case, by type', async () => {
    const { port } = await start(null);
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${port}`]);
    expect(await resolver.resolve4('orders.shop', { ttl: true })).toEqual([{ address: '240.240.3.7', ttl: 30 }]);
    expect(await resolver.resolve6('Orders.SHOP')).toEqual(['2001:2::f0f0:307']);
    expect(await resolver.resolve4('orders.shop.svc.cluster.local')).toEqual(['240.240.3.7']);
    expect(await resolver.resolve4('a.b.wild.shop')).toEqual(['10.0.0.1']);
    expect(await resolver.resolve4('a.deep.wild.shop')).toEqual(['10.0.0.2']);
    await expect(resolver.resolve6('orders.shop.svc.cluster.local')).rejects.toThrow('ENODATA');
    await expect(resolver.resolve4('wild.shop')).rejects.toThrow('ENOTFOUND');
    // By TCP, as 100 addresses do not fit into a datagram.
    expect(await resolver.resolve4('many.shop')).toHaveLength(100);
  });

  it('says how long that there is nothing may be remembered (RFC 2308)', async () => {
    const { port } = await start(null);
    const message = await ask(port, query('a.wild.shop', recordType.aaaa));
    expect(code(message)).toBe(rcode.ok);
    expect(message.answers).toEqual([]);
    expect(message.authorities).toMatchObject([{ type: recordType.soa, ttl: 60, name: { key: 'a.wild.shop' } }]);
    expect(message.authorities[0]!.data.readUInt32BE(message.authorities[0]!.data.length - 4)).toBe(60);
  });

  it('truncates what does not fit, and says so; more fits who says with EDNS that it takes more (RFC 6891)', async () => {
    const { port } = await start(null);
    const plain = await ask(port, query('many.shop', recordType.a));
    expect(plain.flags & flag.truncated).not.toBe(0);
    expect(writeMessage(plain).length).toBeLessThanOrEqual(512);
    const edns = await ask(port, query('many.shop', recordType.a, { additionals: opt(4096, 0x8000) }));
    expect(edns.flags & flag.truncated).not.toBe(0);
    expect(edns.answers.length).toBeGreaterThan(plain.answers.length);
    expect(writeMessage(edns).length).toBeLessThanOrEqual(1232);
    expect(edns.additionals).toMatchObject([{ type: recordType.opt, class: 1232, ttl: 0x8000 }]);
    const [whole, other] = await askByTcp(port, query('many.shop', recordType.a), query('orders.shop', recordType.a));
    expect(whole!.answers).toHaveLength(100);
    expect(dataOf(other!)).toEqual(['240.240.3.7']);
  });

  it.each<[string, Buffer, number]>([
    [
      'two questions',
      query('orders.shop', 1, {
        questions: [1, 28].map((type) => ({ name: nameFromText('orders.shop'), type, class: 1 })),
      }),
      rcode.formatError,
    ],
    ['no question', query('orders.shop', 1, { questions: [] }), rcode.formatError],
    ['bytes behind the message', Buffer.concat([query('orders.shop', 1), Buffer.from([0])]), rcode.formatError],
    ['a record that answers', query('orders.shop', 1, { answers: opt(512) }), rcode.formatError],
    ['two OPT records', query('orders.shop', 1, { additionals: [...opt(512), ...opt(512)] }), rcode.formatError],
    ['EDNS of version 1', query('orders.shop', 1, { additionals: opt(512, 0x0001_0000) }), rcode.badVersion & 0xf],
    ['a question for OPT', query('orders.shop', recordType.opt), rcode.formatError],
    ['an update (RFC 2136)', query('orders.shop', 6, { flags: 5 << 11 }), rcode.notImplemented],
    ['a zone transfer', query('shop', recordType.axfr), rcode.refused],
    [
      'class CHAOS',
      query('version.bind', 16, { questions: [{ name: nameFromText('version.bind'), type: 16, class: 3 }] }),
      rcode.refused,
    ],
    ['a name that nobody knows, where nobody else is asked (as Envoy)', query('example.com', 1), rcode.noSuchName],
  ])('answers %s with its code', async (_, bytes, expected) => {
    const { port } = await start(null);
    const message = await ask(port, bytes);
    expect([message.id, code(message)]).toEqual([77, expected]);
    expect(message.flags & flag.response).not.toBe(0);
  });

  it('says nothing to an answer, nor to what is no message', async () => {
    const { port, stats } = await start(null);
    const one = client(port);
    one.send(query('orders.shop', 1, { flags: flag.response }));
    one.send(Buffer.from('short'));
    one.send(query('orders.shop', 1, { id: 5 }));
    expect((await one.next()).id).toBe(5);
    expect(stats.counter('dns_filter.dns.downstream_rx_invalid_queries').value).toBe(2);
  });

  it('answers from a new table on the same socket, and goes when the listener goes', async () => {
    const { port, apply, listeners } = await start(null);
    const changed = [{ name: 'new.shop', addresses: ['10.9.9.9'], ttlSeconds: 30 }];
    const config = listener(null, { dns: { statPrefix: 'dns', domains: changed, upstream: null } });
    expect(await apply(config)).toEqual([]);
    expect(dataOf(await ask(port, query('new.shop', 1)))).toEqual(['10.9.9.9']);
    expect(code(await ask(port, query('orders.shop', 1)))).toBe(rcode.noSuchName);
    expect(listeners.dump()).toMatchObject([{ name: 'dns', port, udp: true }]);
    await listeners.apply(new Map());
    expect(listeners.dump()).toEqual([]);
    const udp = createSocket('udp4');
    closing.push(() => udp.close());
    await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
  });

  it('says who has its port', async () => {
    const { apply, port } = await start(null);
    const other = new DnsListeners({
      clock: systemClock,
      wheel: new TimerWheel(systemClock),
      stats: new StatStore(),
      log: null,
    });
    closing.push(() => other.closeAll());
    const value = listener(null, { address: { host: '127.0.0.1', port } });
    const [fault] = await other.apply(
      new Map([['dns', { value, version: '', origin: 'static' as const, updatedWallMs: 0, raw: new Uint8Array() }]]),
    );
    expect(fault!.message).toContain(`cannot listen on 127.0.0.1:${port} (listener "dns")`);
    expect(apply).toBeDefined();
  });
});

describe('names that are not in the table', () => {
  it('are asked of the name server, with another id and from another port each time; callers get their own id and case', async () => {
    const seen: Array<{ id: number; from: number }> = [];
    const resolver = await server((message, _, reply, from) => {
      seen.push({ id: message.id, from });
      reply(answered(message, [192, 0, 2, 1]));
    });
    const { port, stats } = await start({ ...upstreamDefaults, resolvers: [resolver] });
    for (const name of ['Example.com', 'example.COM', 'other.example']) {
      const message = await ask(port, query(name, 1));
      expect(message.id).toBe(77);
      expect(message.questions[0]!.name.wire.toString('latin1').slice(1)).toContain(name.split('.')[0]);
      expect(dataOf(message)).toEqual(['192.0.2.1']);
    }
    expect(new Set(seen.map(({ from }) => from)).size).toBe(3);
    expect(new Set(seen.map(({ id }) => id)).size).toBeGreaterThan(1);
    expect(stats.counter('dns_filter.dns.externally_resolved_queries').value).toBe(3);
  });

  it('are asked once for all who ask at the same time', async () => {
    const held: Array<() => void> = [];
    const resolver = await server((message, _, reply) => held.push(() => reply(answered(message, [192, 0, 2, 1]))));
    const { port, stats } = await start({ ...upstreamDefaults, timeoutMs: 60_000, resolvers: [resolver] });
    const one = client(port);
    const other = client(port);
    one.send(query('example.com', 1, { id: 1 }));
    other.send(query('EXAMPLE.com', 1, { id: 2 }));
    const pending = stats.gauge('dns_filter.dns.outrigger_pending', 'outrigger_dns_pending', { listener: 'dns' });
    await expect.poll(() => [pending.value, held.length]).toEqual([2, 1]);
    held[0]!();
    expect([(await one.next()).id, (await other.next()).id]).toEqual([1, 2]);
    expect(held).toHaveLength(1);
    expect(pending.value).toBe(0);
  });

  it('are refused with SERVFAIL and the reason when too many wait', async () => {
    const resolver = await server(() => {});
    const { port } = await start({ ...upstreamDefaults, timeoutMs: 60_000, resolvers: [resolver] });
    const one = client(port);
    for (let i = 0; i < 5; i++) one.send(query(`n${i}.example`, 1, { id: i, additionals: opt(1232) }));
    const message = await one.next();
    expect([message.id, code(message)]).toEqual([4, rcode.serverFailure]);
    // RFC 8914.
    expect(message.additionals[0]!.data.subarray(6).toString()).toContain('max_pending_lookups');
  });

  it('pass over what is not the answer: another id, another question, from somebody else', async () => {
    const forger = createSocket('udp4');
    closing.push(() => forger.close());
    const resolver = await server((message, _, reply, from) => {
      reply(answered({ ...message, id: message.id ^ 1 }, [6, 6, 6, 6]));
      reply(
        answered(
          { ...message, questions: [{ ...message.questions[0]!, name: nameFromText('evil.example') }] },
          [6, 6, 6, 6],
        ),
      );
      reply(Buffer.from('no message'));
      forger.send(answered(message, [6, 6, 6, 6]), from, '127.0.0.1', () => reply(answered(message, [192, 0, 2, 1])));
    });
    const { port, stats } = await start({ ...upstreamDefaults, resolvers: [resolver] });
    expect(dataOf(await ask(port, query('example.com', 1)))).toEqual(['192.0.2.1']);
    expect(
      stats.counter('dns_filter.dns.outrigger_foreign_answers', 'outrigger_dns_foreign_answers_total', {
        listener: 'dns',
      }).value,
    ).toBe(3);
  });

  it('are asked of the next server when one does not answer, is not there, or fails; and that one comes first from then on', async () => {
    const asked: string[] = [];
    const silent = await server(() => asked.push('silent'));
    const failing = await server((message, _, reply) => {
      asked.push('failing');
      reply(writeMessage({ ...message, flags: flag.response | rcode.serverFailure }));
    });
    const good = await server((message, _, reply) => {
      asked.push('good');
      reply(answered(message, [192, 0, 2, 1]));
    });
    const gone = { host: '127.0.0.1', port: 1 };
    const { port } = await start({ ...upstreamDefaults, resolvers: [silent, gone, failing, good] });
    expect(dataOf(await ask(port, query('example.com', 1)))).toEqual(['192.0.2.1']);
    expect(dataOf(await ask(port, query('example.org', 1)))).toEqual(['192.0.2.1']);
    expect(asked).toEqual(['silent', 'failing', 'good', 'good']);
  });

  it('are SERVFAIL when the time is over', async () => {
    const resolver = await server(() => {});
    const { port } = await start({ ...upstreamDefaults, resolvers: [resolver] });
    const message = await ask(port, query('example.com', 1, { additionals: opt(1232) }));
    expect(code(message)).toBe(rcode.serverFailure);
    expect(message.additionals[0]!.data.subarray(6).toString()).toBe('127.0.0.1: it does not answer');
  });

  it('are asked by TCP when the answer does not fit and the caller takes it whole', async () => {
    const by: string[] = [];
    const resolver = await server((message, transport, reply) => {
      by.push(transport);
      if (transport === 'udp') reply(writeMessage({ ...message, flags: flag.response | flag.truncated }));
      else reply(answered(message, [192, 0, 2, 9]));
    });
    const { port } = await start({ ...upstreamDefaults, resolvers: [resolver] });
    expect((await ask(port, query('big.example', 1))).flags & flag.truncated).not.toBe(0);
    expect(dataOf((await askByTcp(port, query('big.example', 1)))[0]!)).toEqual(['192.0.2.9']);
    expect(by).toEqual(['udp', 'udp', 'tcp']);
  });

  it('are asked of the servers of resolv.conf, never of the listener itself', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'outrigger-resolv-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'resolv.conf');
    writeFileSync(file, 'search example.com\nnameserver 127.0.0.1 # here\nnameserver nonsense\n');
    const { port, apply } = await start({ ...upstreamDefaults, timeoutMs: 1_000 }, file);
    // Nobody is on port 53 of this machine, or whoever it is does not know the name: either way there is an answer.
    expect(code(await ask(port, query('nobody.invalid', 1)))).not.toBe(rcode.ok);
    const self = { ...upstreamDefaults, resolvers: [{ host: '127.0.0.1', port }] };
    await apply(listener(self));
    const message = await ask(port, query('example.com', 1, { additionals: opt(1232) }));
    expect(message.additionals[0]!.data.subarray(6).toString()).toContain('this resolver itself');
  });
});
