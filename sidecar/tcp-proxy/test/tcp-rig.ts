/** Listeners, TCP proxies, connection managers and clusters on real sockets, as the sidecar wires them, from JSON as it comes over xDS; and peers that say what they are told to. Time goes on by itself, and further by `later`. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { linesTo } from '../../access-log/test/lines-to.ts';
import { ClusterManager } from '../../cluster/cluster-manager.ts';
import type { Configured } from '../../config/configuration.ts';
import { HttpConnectionManager } from '../../connection-manager/http-connection-manager.ts';
import type { HttpContext } from '../../connection-manager/http-context.ts';
import type { BindFault } from '../../listener/bound-socket.ts';
import { ListenerManager } from '../../listener/listener-manager.ts';
import { systemClock } from '../../runtime/clock.ts';
import { Log } from '../../runtime/log.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { StatStore } from '../../stats/stat-store.ts';
import { OwnConnections } from '../../transport/own-connections.ts';
import { ClusterSchema } from '../../xds/api/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '../../xds/api/envoy/config/listener/v3/listener_pb.js';
import { decodeCluster } from '../../xds/decode-cluster.ts';
import { decodeListener } from '../../xds/decode-listener.ts';
import { decodeJson } from '../../xds/test/decode-json.ts';
import { TcpProxy } from '../tcp-proxy.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface RigConfig {
  readonly listeners: readonly Json[];
  readonly clusters: readonly Json[];
}

export class TcpRig {
  readonly stats = new StatStore();
  /** Of access logs, parsed. */
  readonly lines: Array<Readonly<Record<string, unknown>>> = [];
  /** Of the log. */
  readonly told: string[] = [];
  /** All that were made. */
  readonly proxies: TcpProxy[] = [];
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly wheel: TimerWheel;
  #laterMs = 0;

  constructor() {
    const clock = { nowMs: () => systemClock.nowMs() + this.#laterMs, wallMs: systemClock.wallMs };
    const { stats } = this;
    this.wheel = new TimerWheel(clock);
    const { wheel } = this;
    const log = new Log(clock, 'debug', false, (line) => this.told.push(line));
    const ownConnections = new OwnConnections();
    this.clusters = new ClusterManager({ stats, clock, wheel, random: Math.random, log, ownConnections });
    const context: HttpContext = {
      clusters: this.clusters,
      routeTables: { routeTable: () => undefined },
      ...{ stats, clock, wheel, random: Math.random, log },
      localService: 'shop/orders',
      accessLogSinks: linesTo({ push: (line) => this.lines.push(JSON.parse(line) as Json) }),
    };
    this.listeners = new ListenerManager(
      { ...context, ownConnections },
      {
        createConnectionManager: (chain, listener) =>
          chain.httpConnectionManager === null
            ? this.#proxy(new TcpProxy(chain, listener, context))
            : new HttpConnectionManager(
                chain.httpConnectionManager,
                context,
                listener.direction,
                listener.bufferLimitBytes,
              ),
      },
    );
  }

  /** Puts a configuration in force. */
  async apply({ listeners, clusters }: RigConfig): Promise<readonly BindFault[]> {
    const configuration = {
      listeners: new Map(
        listeners.map((json) => [
          json['name'] as string,
          decoded(decodeJson(ListenerSchema, plain(json), decodeListener)),
        ]),
      ),
      clusters: new Map(
        clusters.map((json) => [
          json['name'] as string,
          decoded(decodeJson(ClusterSchema, plain(json), decodeCluster)),
        ]),
      ),
      routeTables: new Map(),
      assignments: new Map(),
    };
    this.clusters.apply(configuration);
    return this.listeners.apply(configuration);
  }

  #proxy(proxy: TcpProxy): TcpProxy {
    this.proxies.push(proxy);
    return proxy;
  }

  counter(name: string): number {
    this.clusters.collect();
    return this.stats.counters.get(name)?.value ?? 0;
  }

  gauge(name: string): number {
    this.clusters.collect();
    return this.stats.gauges.get(name)?.value ?? 0;
  }

  /** Values of a family of ours by its labels, as `{direction="outbound",…}`. */
  family(name: string): Readonly<Record<string, number>> {
    const values: Record<string, number> = {};
    for (const { family, labels, value } of this.stats.counters.values())
      if (family === name)
        values[
          Object.entries(labels)
            .map(([key, text]) => `${key}=${text}`)
            .join(' ')
        ] = value;
    return values;
  }

  later(ms: number): void {
    this.#laterMs += ms;
    this.wheel.advance();
  }

  port(name: string): number {
    return this.listeners.boundPort(name)!;
  }

  async close(): Promise<void> {
    await this.listeners.closeAll();
    this.clusters.destroyAll();
  }
}

/** Without what is undefined. */
function plain(json: Json): unknown {
  return JSON.parse(JSON.stringify(json));
}

function decoded<T>({ value, faults }: { value: T | null; faults: readonly string[] }): Configured<T> {
  if (value === null || faults.length > 0) throw new Error(faults.join('; '));
  return { value, version: '', origin: 'dynamic', updatedWallMs: 0, raw: new Uint8Array() };
}

export const type = (name: string): Json => ({ '@type': `type.googleapis.com/${name}` });

export const accessLog = {
  name: 'log',
  typed_config: type('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog'),
};

export function tcpFilter(cluster: string, more: Json = {}): Json {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      ...type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
      stat_prefix: 'tcp',
      ...(cluster === '' ? {} : { cluster }),
      access_log: [accessLog],
      ...more,
    },
  };
}

/** An HTTP connection manager that answers by itself. */
export function httpFilter(body: string): Json {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'http',
      route_config: {
        name: 'r',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }],
          },
        ],
      },
      http_filters: [
        { name: 'envoy.filters.http.router', typed_config: type('envoy.extensions.filters.http.router.v3.Router') },
      ],
    },
  };
}

export function listenerFilter(name: string, message: string, more: Json = {}): Json {
  return {
    name: `envoy.filters.listener.${name}`,
    typed_config: { ...type(`envoy.extensions.filters.listener.${name}.v3.${message}`), ...more },
  };
}

export const tlsInspector = listenerFilter('tls_inspector', 'TlsInspector');
export const httpInspector = listenerFilter('http_inspector', 'HttpInspector');
export const originalDst = listenerFilter('original_dst', 'OriginalDst');

export function listener(name: string, filters: readonly Json[], more: Json = {}): Json {
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    traffic_direction: 'OUTBOUND',
    ...(filters.length === 0 ? {} : { filter_chains: [{ filters }] }),
    ...more,
  };
}

export function cluster(name: string, ports: readonly number[], more: Json = {}): Json {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: ports.map((port_value) => ({
            endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } },
          })),
        },
      ],
    },
    ...more,
  };
}

/** A server that does as `serve` says with each connection. */
export class Backend {
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(serve: (socket: Socket) => void, host = '127.0.0.1'): Promise<Backend> {
    const server = createServer({ allowHalfOpen: true });
    const backend = new Backend(server);
    server.on('connection', (socket) => {
      backend.sockets.push(socket);
      socket.on('error', () => {});
      serve(socket);
    });
    server.listen(0, host);
    await once(server, 'listening');
    return backend;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.#server.listening) return;
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A client that keeps what it hears. */
export class Client {
  readonly socket: Socket;
  heard = Buffer.alloc(0);
  /** The system's code of the error that it ended with; ''. */
  error = '';
  ended = false;
  closed = false;
  #told: (() => void) | null = null;

  /** `from`: its own address. */
  constructor(port: number, host = '127.0.0.1', from?: string) {
    this.socket = connect({ host, port, allowHalfOpen: true, ...(from === undefined ? {} : { localAddress: from }) });
    this.socket.on('data', (chunk: Buffer) => {
      this.heard = Buffer.concat([this.heard, chunk]);
      this.#tell();
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? '';
    });
    this.socket.on('end', () => {
      this.ended = true;
      this.#tell();
    });
    this.socket.on('close', () => {
      this.closed = true;
      this.#tell();
    });
  }

  get text(): string {
    return this.heard.toString('latin1');
  }

  say(text: string | Buffer): this {
    this.socket.write(text);
    return this;
  }

  async until(condition: () => boolean): Promise<this> {
    while (!condition()) await new Promise<void>((resolve) => (this.#told = resolve));
    return this;
  }

  async hears(text: string): Promise<this> {
    return this.until(() => this.text.includes(text));
  }

  #tell(): void {
    this.#told?.();
  }
}

/** Lets events happen until `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => setImmediate(resolve));
}
