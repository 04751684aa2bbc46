/** Which hosts a cluster that wants one identity connects to (hardening.md, "identity"): real certificates over real sockets; the oracle is what the host received. */
import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { TlsClientConfig } from '../config/tls-config.ts';
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
import { ClusterManager } from './cluster-manager.ts';
import { fetchOver } from './test/fetch-over.ts';
import { assignment, clusterConfig, configuration, endpoint, locality } from './test/scripted-upstream.ts';

const tls: TlsClientConfig = {
  certificates: [identity(root, 'spiffe://td/ns/shop/sa/storefront')],
  trustedCaPem: certificatePem(root),
  subjectAltNames: [{ type: 'uri', exact: ordersId }],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  serverName: 'orders.shop',
};

const stats = new StatStore();
const lines: string[] = [];
const log = new Log(systemClock, 'debug', true, (line) =>
  lines.push((JSON.parse(line) as { message: string }).message),
);
const clusters = new ClusterManager({
  stats,
  clock: systemClock,
  wheel: new TimerWheel(systemClock),
  random: () => 0.5,
  log,
});
const servers: Server[] = [];
let good: ClusterConfig;

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const toHost = (name: string, port: number): ClusterConfig =>
  clusterConfig({
    name,
    statName: name,
    discovery: { kind: 'static', assignment: assignment(locality([endpoint(`127.0.0.1:${port}`)])) },
    protocol: 'http1',
    tls,
  });

beforeAll(async () => {
  const server = createHttpsServer(
    { cert: ordersIdentity.chainPem, key: ordersIdentity.keyPem },
    (_request, response) => void response.end('orders'),
  );
  good = toHost('good', await listen(server));
  clusters.apply(configuration([good]));
  expect(await fetchOver(clusters.cluster('good')!)).toMatchObject({ text: 'orders', reused: false });
});

afterAll(() => {
  clusters.destroyAll();
  for (const server of servers) server.close();
});

/** One request to a host that shows this certificate: what it received, and what became of the request. */
async function ask(certificate: TestCertificate): Promise<{ received: string; outcome: string }> {
  let received = '';
  const server = createTlsServer({ cert: certificate.chainPem, key: certificate.keyPem }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    });
  });
  server.on('tlsClientError', () => {});
  clusters.apply(configuration([good, toHost('asked', await listen(server))]));
  const outcome = await fetchOver(clusters.cluster('asked')!).then(
    ({ status }) => String(status),
    (error: Error) => error.message,
  );
  server.close();
  return { received, outcome };
}

const refusals = (reason: string): number =>
  [...stats.counters.values()]
    .filter(({ family, labels }) => family === 'outrigger_tls_peers_refused_total' && labels['reason'] === reason)
    .reduce((sum, { value }) => sum + value, 0);

describe('a cluster that wants one identity', () => {
  it.each([...wrongIdentities, ['a certificate for clients only', 'key-usage', forClientsOnly] as const])(
    'sends nothing to a host with %s: %s',
    async (_what, reason, certificate) => {
      const count = lines.length;
      const { received, outcome } = await ask(certificate);
      expect(received).toBe('');
      expect(outcome).toMatch(/^No connection to the service: 127\.0\.0\.1:\d+: /);
      expect(refusals(reason)).toBe(1);
      expect(lines.slice(count)).toEqual([`cluster asked (${reason}): ${outcome}`]);
      // Connections that were there go on.
      expect(await fetchOver(clusters.cluster('good')!)).toMatchObject({ text: 'orders', reused: true });
      // The next row counts from 0.
      stats.remove(({ family }) => family === 'outrigger_tls_peers_refused_total');
    },
  );

  it('connects to the identity with names of other types beside it, and with a certificate for servers only', async () => {
    const others = identity(root, ordersId, { dnsNames: ['*.orders_1.shop-a', 'orders'] });
    for (const certificate of [others, forServersOnly])
      expect(await ask(certificate)).toMatchObject({ outcome: '200' });
  });
});
