/** A proxy of one listener on real sockets: connection manager, router, cluster manager and both codecs, as the sidecar wires them. */

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { linesTo } from '../../access-log/test/lines-to.ts';
import { ClusterManager } from '../../cluster/cluster-manager.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { Configured } from '../../config/configuration.ts';
import type { HttpConnectionManagerConfig } from '../../config/listener-config.ts';
import type { RouteConfig } from '../../config/route-config.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { Log } from '../../runtime/log.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { StatStore } from '../../stats/stat-store.ts';
import { HttpConnectionManager } from '../http-connection-manager.ts';
import { anyPath, forward, managerConfig, route, routeTable } from './configs.ts';

export interface ProxyOptions {
  readonly upstreamPort: number;
  /** Further hosts of `app`. */
  readonly morePorts?: readonly number[];
  readonly protocol?: ClusterConfig['protocol'];
  readonly routes?: readonly RouteConfig[];
  readonly config?: Partial<HttpConnectionManagerConfig>;
  /** Default: the system's. */
  readonly time?: Clock & { readonly wheel: TimerWheel };
  /** Beside `app`. */
  readonly clusters?: ReadonlyArray<{
    readonly name: string;
    readonly port: number;
    readonly protocol: ClusterConfig['protocol'];
  }>;
}

export class Proxy {
  readonly stats = new StatStore();
  readonly lines: string[] = [];
  readonly manager: HttpConnectionManager;
  readonly #clusters: ClusterManager;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor({ upstreamPort, morePorts = [], protocol = 'http1', routes, config, time, clusters = [] }: ProxyOptions) {
    const clock = time ?? systemClock;
    const wheel = time?.wheel ?? new TimerWheel(clock);
    this.#clusters = new ClusterManager({ stats: this.stats, clock, wheel, random: Math.random });
    const all = [
      { name: 'app', ports: [upstreamPort, ...morePorts], protocol },
      ...clusters.map(({ name, port, protocol }) => ({ name, ports: [port], protocol })),
    ];
    this.#clusters.apply({
      listeners: new Map(),
      clusters: new Map(
        all.map((each) => [each.name, configured(clusterConfig(each.name, each.ports, each.protocol))]),
      ),
      routeTables: new Map(),
      assignments: new Map(),
    });
    const table = routeTable(routes ?? [route('r', anyPath, forward('app'))]);
    const logs = [{ sink: { kind: 'stdout', format: { kind: 'default' } }, filter: null }] as const;
    this.manager = new HttpConnectionManager(
      managerConfig(table, { accessLogs: logs, ...config }),
      {
        clusters: this.#clusters,
        routeTables: { routeTable: () => undefined },
        stats: this.stats,
        clock,
        wheel,
        random: Math.random,
        log: new Log(clock, 'off', false, () => {}),
        localService: 'shop/app',
        accessLogSinks: linesTo(this.lines),
      },
      'inbound',
      1_048_576,
    );
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      const { localAddress, localPort, remoteAddress, remotePort } = socket;
      this.manager.accept(socket, {
        listenerName: 'test',
        direction: 'inbound',
        secure: false,
        alpn: '',
        serverName: '',
        peer: null,
        localUri: '',
        localAddress: `${localAddress}:${localPort}`,
        remoteAddress: `${remoteAddress}:${remotePort}`,
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  static async start(options: ProxyOptions): Promise<Proxy> {
    const proxy = new Proxy(options);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#clusters.destroyAll();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

function configured<T>(value: T): Configured<T> {
  return { value, version: '', origin: 'static', updatedWallMs: 0, raw: new Uint8Array() };
}

function clusterConfig(name: string, ports: readonly number[], protocol: ClusterConfig['protocol']): ClusterConfig {
  const endpoints = ports.map(
    (port) =>
      ({ address: { host: '127.0.0.1', port }, weight: 1, health: 'healthy', hostname: '', metadata: {} }) as const,
  );
  return {
    name,
    statName: name,
    discovery: {
      kind: 'static',
      assignment: {
        clusterName: name,
        localities: [{ region: '', zone: '', subZone: '', weight: 1, priority: 0, endpoints }],
      },
    },
    loadBalancing: { kind: 'round-robin' },
    connectTimeoutMs: 1000,
    tls: null,
    protocol,
    http2: {
      maxConcurrentStreams: 100,
      initialStreamWindowBytes: 262_144,
      initialConnectionWindowBytes: 1_048_576,
      headerTableBytes: 4_096,
      allowConnect: true,
      keepAliveIntervalMs: 0,
      keepAliveTimeoutMs: 0,
    },
    limits: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
    idleTimeoutMs: 60_000,
    maxRequestsPerConnection: 0,
    maxConnectionDurationMs: 0,
    maxHeadBytes: 65_536,
    maxFields: 200,
    bufferLimitBytes: 1_048_576,
    panicThresholdPercent: 50,
  };
}
