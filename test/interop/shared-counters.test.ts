/**
 * Rate limit counters that control planes share by a real etcd: the contract of a CounterStore, what etcd does with what we ask of it, and a mesh of two control planes with a sidecar at each and one limit for both. What fails at which
 * moment is tried on virtual time in control-plane/ratelimit/shared/etcd-counters.test.ts.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EtcdClient } from '../../control-plane/etcd/etcd-client.ts';
import type { EtcdChange, EtcdConnection } from '../../control-plane/etcd/etcd-store.ts';
import { counterStoreContract } from '../../control-plane/ratelimit/counter-store-contract.test-data.ts';
import { EtcdCounters } from '../../control-plane/ratelimit/shared/etcd-counters.ts';
import { systemSourceClock } from '../../control-plane/source/source-clock.ts';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { ask } from './exchange.ts';
import { mesh, service } from './mesh-configuration.ts';
import { Stage } from './programs.ts';
import { StartedEtcd, tlsOf, writeCertificates } from './started-etcd.ts';

const dayMs = 86_400_000;

/** Counters of one control plane, connected. */
async function sharing(etcd: StartedEtcd, prefix: string, maxCounters = 1_000): Promise<EtcdCounters> {
  const counters = new EtcdCounters({
    members: [etcd.member.text],
    connect: () => new EtcdClient(etcd.member, null),
    prefix,
    writer: randomUUID(),
    clock: systemSourceClock,
    random: Math.random,
    log: pino({ level: 'silent' }),
    maxCounters,
  });
  counters.start();
  await waitFor('the counters to be shared', 10_000, () => counters.figures.shared);
  return counters;
}

describe('a real etcd', () => {
  const stage = new Stage();
  let etcd: StartedEtcd;
  const clients: EtcdClient[] = [];

  beforeAll(async () => {
    etcd = await StartedEtcd.start(stage);
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await stage.stop();
  });

  const connected = (): EtcdConnection => {
    const client = new EtcdClient(etcd.member, null);
    clients.push(client);
    return client;
  };
  const text = (value: Uint8Array | null): string | null => (value === null ? null : Buffer.from(value).toString());
  const bytes = Buffer.from;

  describe('keeps what counters need', () => {
    // A prefix for each: nobody finds what another left.
    let opened = 0;
    counterStoreContract(
      (maxCounters) => sharing(etcd, `/contract-${opened++}/`, maxCounters),
      (store) => (store as EtcdCounters).close(),
    );
  });

  it('gives all keys of a prefix as of one moment, in parts, and every change after it', async () => {
    const store = connected();
    const lease = await store.grantLease(60);
    const key = (at: number): string => `/parts/${String(at).padStart(3, '0')}`;
    for (let from = 0; from < 180; from += 90)
      await store.write(
        Array.from({ length: 90 }, (_, at) => ({ key: key(from + at), value: bytes('x'), lease })),
        null,
      );
    await store.write([{ key: '/parts0', value: bytes('beside'), lease }], null);
    const seen: string[] = [];
    const revision = await store.readAll('/parts/', (entry) => seen.push(entry.key));
    expect(seen).toEqual(Array.from({ length: 180 }, (_, at) => key(at)));
    await store.write([{ key: '/parts/first', value: bytes('1'), lease }], null);
    const changes: EtcdChange[] = [];
    store.watch(
      '/parts/',
      revision,
      (change) => changes.push(change),
      () => {},
    );
    await connected().write([{ key: '/parts/first', value: null, lease: 0n }], null);
    await connected().write([{ key: '/elsewhere', value: bytes('1'), lease }], null);
    await waitFor('the changes', 5_000, () => changes.length >= 2);
    expect(changes.map(({ key: name, value }) => [name, text(value)])).toEqual([
      ['/parts/first', '1'],
      ['/parts/first', null],
    ]);
  });

  it('writes nothing when another lease is on the key of the fence, and takes keys away with their lease', async () => {
    const store = connected();
    const [old, current] = [await store.grantLease(60), await store.grantLease(1)];
    await store.write([{ key: '/fence/alive', value: bytes(''), lease: current }], null);
    const write = { key: '/fence/page', value: bytes('1'), lease: current };
    expect(await store.write([write], { key: '/fence/alive', lease: old })).toBe(false);
    expect(await store.write([write], { key: '/fence/alive', lease: current })).toBe(true);
    expect(await store.keepLease(current)).toBe(true);
    const left: string[] = [];
    // etcd's least lease is of a few seconds.
    await waitFor('the keys to go with their lease', 20_000, async () => {
      left.length = 0;
      await store.readAll('/fence/', ({ key }) => left.push(key));
      return left.length === 0;
    });
    expect(await store.keepLease(current)).toBe(false);
    expect(await store.write([{ ...write, lease: old }], { key: '/fence/alive', lease: current })).toBe(false);
  });

  it('that stops to answer is given up after 2 s, and what was counted meanwhile is told when it answers again', async () => {
    const hung = await StartedEtcd.start(stage);
    const [a, b] = [await sharing(hung, '/hung/'), await sharing(hung, '/hung/')];
    const hit = async (counters: EtcdCounters, hits: number): Promise<number> =>
      (await counters.add('k', hits, dayMs, Date.now())).count;
    await hit(a, 5);
    await waitFor('the other to be told', 10_000, async () => (await hit(b, 0)) === 5);
    hung.program.signal('SIGSTOP');
    await hit(a, 5);
    await waitFor('it to be given up', 20_000, async () => (await hit(b, 0)) === 5 && !a.figures.shared);
    expect(await hit(a, 5)).toBe(15);
    hung.program.signal('SIGCONT');
    await waitFor('the other to be told', 30_000, async () => (await hit(b, 0)) === 15);
    expect(await hit(a, 0)).toBe(15);
    await Promise.all([a.close(), b.close()]);
  });

  it('is asked by TLS, has to be who it is said to be, and takes us by our certificate', async () => {
    const folder = join(stage.folder, 'certificates');
    writeCertificates(folder, { etcd: 'IP:127.0.0.1', us: 'DNS:us' });
    const us = tlsOf(folder, 'us');
    const flags = [
      ...['--cert-file', join(folder, 'etcd.pem'), '--key-file', join(folder, 'etcd.key')],
      ...['--client-cert-auth', '--trusted-ca-file', join(folder, 'ca.pem')],
    ];
    const { member } = await StartedEtcd.start(stage, flags, us);
    const reason = async (host: string, tls: typeof us | null): Promise<string> => {
      const client = new EtcdClient({ ...member, host }, tls);
      clients.push(client);
      return client
        .readAll('/', () => {})
        .then(
          () => '',
          (error: Error) => error.message,
        );
    };
    expect(await reason('127.0.0.1', us)).toBe('');
    expect(await reason('localhost', us)).toMatch(/altnames|connection refused/);
    expect(await reason('127.0.0.1', tlsOf(folder, null))).toMatch(/alert|closed|certificate/i);
    expect(await reason('127.0.0.1', { ...us, roots: null })).toMatch(/certificate/);
    expect(await reason('127.0.0.1', null)).toBe('it takes no connection without TLS');
  });

  it('that is full leaves everybody to count alone', async () => {
    const small = await StartedEtcd.start(stage, ['--quota-backend-bytes', '2000000']);
    const filler = new EtcdClient(small.member, null);
    clients.push(filler);
    const counters = await sharing(small, '/full/');
    const lease = await filler.grantLease(600);
    let refusal = '';
    for (let at = 0; at < 50 && refusal === ''; at++)
      await filler.write([{ key: `/fill/${at}`, value: Buffer.alloc(200_000), lease }], null).catch((error: Error) => {
        refusal = error.message;
      });
    expect(refusal).toContain('its database is full');
    for (let at = 0; at < 3; at++) expect((await counters.add('k', 1, dayMs, Date.now())).count).toBe(at + 1);
    await waitFor('it to be noticed', 10_000, () => !counters.figures.shared);
    expect((await counters.add('k', 1, dayMs, Date.now())).count).toBe(4);
    await counters.close();
  });
});

describe('two control planes on one etcd, a sidecar at each', () => {
  const stage = new Stage();
  const app = createServer((_, response) => response.end('ok'));
  const limit = 200;
  let etcd: StartedEtcd;
  let inbounds: number[];
  let admins: number[];

  beforeAll(async () => {
    etcd = await StartedEtcd.start(stage);
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    const appPort = (app.address() as AddressInfo).port;
    const file = join(stage.folder, 'mesh.yaml');
    writeFileSync(
      file,
      mesh(service('orders', []), {
        apiVersion: 'outrigger.dev/v1',
        kind: 'RateLimitPolicy',
        metadata: { name: 'all', namespace: 'shop' },
        spec: {
          global: {
            failOpen: false,
            timeout: '2s',
            limits: [{ by: { headers: ['x-user'] }, limit: { requests: limit, unit: 'day' } }],
          },
        },
      }),
    );
    const ports = await freePorts(10);
    inbounds = ports.splice(0, 2);
    admins = [];
    for (const inbound of inbounds) {
      const [port, adminPort, outbound, proxyAdmin] = ports.splice(0, 4) as [number, number, number, number];
      admins.push(adminPort);
      await stage.controlPlane({
        config: file,
        port,
        adminPort,
        flags: ['--store', 'etcd', '--etcd', etcd.member.text],
      });
      await stage.serviceSidecar(`orders-${inbound}`, proxyAdmin, [
        ...['--service', 'shop/orders', '--app-port', String(appPort), '--control-plane', `127.0.0.1:${port}`],
        ...['--inbound-listen', `127.0.0.1:${inbound}`, '--outbound-listen', `127.0.0.1:${outbound}`],
        ...['--admin', `127.0.0.1:${proxyAdmin}`, '--listen-metrics', 'off', '--drain-time', '1', '--no-identity'],
      ]);
    }
    await connectedBoth(1);
  });
  afterAll(async () => {
    app.closeAllConnections();
    app.close();
    await stage.stop();
  });

  async function connectedBoth(wanted: number): Promise<void> {
    for (const admin of admins)
      await waitFor(`the store to be ${wanted === 1 ? 'connected' : 'gone'}`, 20_000, async () =>
        (await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text()).includes(
          `outrigger_store_connected{store="etcd"} ${wanted}\n`,
        ),
      );
  }

  /** How many of so many requests pass, turn about at both sidecars; `atOnce` of them under way. */
  async function admitted(user: string, requests: number, atOnce: number): Promise<number> {
    let left = requests;
    let passed = 0;
    const statuses = new Set<number>();
    await Promise.all(
      Array.from({ length: atOnce }, async (_, worker) => {
        while (left-- > 0) {
          const { status } = await ask(inbounds[worker % 2]!, { host: 'orders.shop', headers: { 'x-user': user } });
          statuses.add(status);
          if (status === 200) passed++;
        }
      }),
    );
    expect([...statuses].filter((status) => status !== 200 && status !== 429)).toEqual([]);
    return passed;
  }

  /** From what passed at both until each has heard of the other: a batch, the store, and a machine that others use. */
  const told = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1_000));

  it('admit the limit together: exactly, when requests are apart, and with a batch more at each when they are not', async () => {
    // One after the other, and a pause where it comes to the point.
    let passed = await admitted('calm', limit - 20, 2);
    await told();
    for (let at = 0; at < 30; at++) {
      passed += await admitted('calm', 1, 1);
      if (at > 15) await told();
    }
    expect(passed).toBe(limit);

    // What one has not heard of is what the other has admitted since its last batch: never more than the limit at each.
    const startedMs = performance.now();
    const hasty = await admitted('hasty', 1_000, 8);
    const perSecond = 1_000 / ((performance.now() - startedMs) / 1_000);
    expect(hasty).toBeGreaterThanOrEqual(limit);
    // 100 ms to the next batch, and as much for etcd and the scheduling of a busy machine, three times over.
    expect(hasty).toBeLessThanOrEqual(Math.min(2 * limit, limit + perSecond * 0.6));
    await told();
    expect(await admitted('hasty', 20, 2)).toBe(0);
  });

  it('count alone while etcd is away, and together again when it is back, with nothing lost or twice', async () => {
    expect(await admitted('stopped', 40, 2)).toBe(40);
    await told();
    await etcd.program.stop();
    await connectedBoth(0);
    // Requests go on, each sidecar by its own control plane: 40 + 30 + 30 for all, and neither knows it.
    expect(await admitted('stopped', 60, 2)).toBe(60);
    await etcd.again();
    await connectedBoth(1);
    await told();
    let passed = 0;
    for (let at = 0; at < 10; at++) {
      passed += await admitted('stopped', 10, 2);
      await told();
    }
    expect(passed).toBe(limit - 100);
    for (const inbound of inbounds) {
      const answer = await ask(inbound, { host: 'orders.shop', headers: { 'x-user': 'stopped' } });
      expect([answer.status, answer.headers['x-ratelimit-remaining']]).toEqual([429, '0']);
    }
  });
});
