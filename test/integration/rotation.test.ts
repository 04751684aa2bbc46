/** Certificates and roots that change all the time under load: no request fails, and no connection outlives the certificates that it was made with. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ForgedParts } from '../../certs/x509/forged-certificate.test-data.ts';
import { ClusterManager } from '../../sidecar/cluster/cluster-manager.ts';
import { fetchOver } from '../../sidecar/cluster/test/fetch-over.ts';
import {
  assignment,
  clusterConfig,
  configuration,
  endpoint,
  locality,
} from '../../sidecar/cluster/test/scripted-upstream.ts';
import { systemClock } from '../../sidecar/runtime/clock.ts';
import { Log } from '../../sidecar/runtime/log.ts';
import { TimerWheel } from '../../sidecar/runtime/timer-wheel.ts';
import { SecretStore } from '../../sidecar/secret/secret-store.ts';
import { Sidecar } from '../../sidecar/server.ts';
import { StatStore } from '../../sidecar/stats/stat-store.ts';
import type { TestCertificate } from '../../sidecar/transport/test/certificates.ts';
import { authority, certificatePem, identity } from '../../sidecar/transport/test/identities.ts';
import { decodeBootstrap } from '../../sidecar/xds/bootstrap-file.ts';
import { bundle, SpireAgent, svid } from './spire-agent.ts';

const storefrontId = 'spiffe://td/ns/shop/sa/storefront';
const ordersId = 'spiffe://td/ns/shop/sa/orders';
/** Of each certificate. X.509 counts whole seconds. */
const lifeMs = 3_000;
const rotateMs = 100;
const loadMs = 4_000;

let folder: string;
let app: Server;
let agent: SpireAgent;
let sidecar: Sidecar;
let stopped: Promise<void>;
const roots = [authority('root one'), authority('root two')] as const;
const both = certificatePem(...roots);

function shortLived(issuer: ForgedParts, uri: string): TestCertificate {
  const second = Math.floor(systemClock.wallMs() / 1000) * 1000;
  return identity(issuer, uri, { notBeforeMs: second - 60_000, notAfterMs: second + lifeMs });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rotation-'));
  app = createServer((_request, response) => response.end('orders'));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const socketPath = join(folder, 'api.sock');
  agent = await SpireAgent.start(
    socketPath,
    svid('default', shortLived(roots[0], ordersId)),
    bundle('ROOTCA', certificatePem(roots[0])),
  );
  const decoded = decodeBootstrap(bootstrap(socketPath, (app.address() as AddressInfo).port), 0);
  if (!decoded.ok) throw new Error(decoded.faults.join('\n'));
  const [ready, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  stopped = end.promise;
  sidecar = new Sidecar({
    bootstrap: decoded.bootstrap,
    probeAddress: null,
    drainTimeMs: 0,
    clock: systemClock,
    random: Math.random,
    log: new Log(systemClock, 'off', true, () => {}),
    commandLine: {},
    onReady: ready.resolve,
    onStopped: end.resolve,
  });
  await sidecar.start();
  await ready.promise;
});

afterAll(async () => {
  sidecar.quit();
  await stopped;
  agent.stop();
  app.closeAllConnections();
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

function bootstrap(socketPath: string, appPort: number): unknown {
  const types = 'type.googleapis.com/envoy.extensions.';
  const sds = (name: string): unknown => ({
    name,
    sds_config: {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'agent' } }],
      },
    },
  });
  const filter = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${types}filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'in',
      route_config: {
        virtual_hosts: [
          { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] },
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${types}filters.http.router.v3.Router` },
        },
      ],
    },
  };
  const socket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${types}transport_sockets.tls.v3.DownstreamTlsContext`,
      require_client_certificate: true,
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificate_sds_secret_configs: [sds('default')],
        validation_context_sds_secret_config: sds('ROOTCA'),
      },
    },
  };
  const hosts = (name: string, address: unknown): unknown => ({
    name,
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  });
  return {
    node: { id: 'orders', cluster: 'shop/orders' },
    static_resources: {
      listeners: [
        {
          name: 'inbound',
          traffic_direction: 'INBOUND',
          address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
          filter_chains: [{ filters: [filter], transport_socket: socket }],
        },
      ],
      clusters: [
        { ...(hosts('agent', { pipe: { path: socketPath } }) as object), http2_protocol_options: {} },
        hosts('app', { socket_address: { address: '127.0.0.1', port_value: appPort } }),
      ],
    },
  };
}

const ads = (name: string) => ({ name, key: name, source: { kind: 'ads' } }) as const;

describe.concurrent.each(['http1', 'http2'] as const)('rotation under load, %s', (protocol) => {
  it('fails no request', async () => {
    const secrets = new SecretStore(systemClock);
    const stats = new StatStore();
    const clusters = new ClusterManager({
      stats,
      clock: systemClock,
      wheel: new TimerWheel(systemClock),
      random: Math.random,
      secrets,
    });
    let version = 0;
    /** Everybody gets new certificates by that root, and trusts these. */
    const rotate = (issuer: ForgedParts, trustedCaPem: string): void => {
      const value = { kind: 'certificate', ...shortLived(issuer, storefrontId) } as const;
      secrets.set('ROOTCA', 'ROOTCA', String(++version), { kind: 'validation', trustedCaPem, subjectAltNames: [] });
      secrets.set('default', 'default', String(version), value);
      agent.update(svid('default', shortLived(issuer, ordersId)), bundle('ROOTCA', trustedCaPem));
    };
    rotate(roots[0], both);
    const port = sidecar.listeners.boundPort('inbound')!;
    clusters.apply(
      configuration([
        clusterConfig({
          name: 'orders',
          statName: 'orders',
          protocol,
          discovery: { kind: 'static', assignment: assignment(locality([endpoint(`127.0.0.1:${port}`)])) },
          tls: {
            certificates: [],
            trustedCaPem: null,
            subjectAltNames: [{ type: 'uri', exact: ordersId }],
            alpn: [],
            minVersion: 'TLSv1.3',
            maxVersion: 'TLSv1.3',
            serverName: 'orders.shop',
            certificateSecret: ads('default'),
            trustSecret: ads('ROOTCA'),
          },
        }),
      ]),
    );
    const faults: string[] = [];
    let answered = 0;
    const until = systemClock.nowMs() + loadMs;
    const caller = async (): Promise<void> => {
      while (systemClock.nowMs() < until) {
        await fetchOver(clusters.cluster('orders')!).then(
          ({ status }) => (status === 200 ? answered++ : faults.push(String(status))),
          (error: Error) => faults.push(error.message),
        );
      }
    };
    let round = 0;
    const timer = setInterval(() => rotate(roots[++round < loadMs / rotateMs / 2 ? 0 : 1], both), rotateMs);
    await Promise.all(Array.from({ length: 8 }, caller));
    clearInterval(timer);
    clusters.destroyAll();
    expect(faults).toEqual([]);
    expect(answered).toBeGreaterThan(100);
    // Connections had successors, and most of the time nobody shook hands.
    const handshakes = stats.counters.get('cluster.orders.ssl.handshake')!.value;
    expect(handshakes).toBeGreaterThan(protocol === 'http1' ? 8 : 1);
    // Some for each certificate, none for each request: how many requests there were depends on the machine.
    expect(handshakes).toBeLessThan(60);
  });
});
