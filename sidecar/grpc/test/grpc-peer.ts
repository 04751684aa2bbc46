/** A gRPC server on node:http2, an implementation that is not ours, and a cluster of our own that leads to it: for tests of the sidecar's own calls. */
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { ClusterManager } from '../../cluster/cluster-manager.ts';
import { systemClock } from '../../runtime/clock.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { StatStore } from '../../stats/stat-store.ts';
import { decodeBootstrap } from '../../xds/bootstrap-file.ts';
import { frameMessage, MessageReader } from '../grpc-message.ts';

/** What the server does with a call: hears of each message and of the end of them. */
export interface PeerCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly stream: ServerHttp2Stream;
  send(message: Uint8Array): void;
  /** Ends the call with trailers; without a message before it, the status goes in the head (trailers-only). */
  end(code: number, message?: string): void;
}

export interface PeerHandler {
  onCall?(call: PeerCall): void;
  onMessage?(call: PeerCall, message: Buffer): void;
  onHalfClose?(call: PeerCall): void;
  onCancel?(call: PeerCall): void;
}

export class GrpcPeer {
  readonly stats = new StatStore();
  readonly wheel = new TimerWheel(systemClock);
  readonly clusters: ClusterManager;
  readonly calls: PeerCall[] = [];
  readonly port: number;
  readonly #server: Http2Server;
  readonly #sessions: ReadonlySet<ServerHttp2Session>;

  constructor(server: Http2Server, sessions: ReadonlySet<ServerHttp2Session>) {
    this.#server = server;
    this.#sessions = sessions;
    this.port = (server.address() as AddressInfo).port;
    this.clusters = new ClusterManager({
      stats: this.stats,
      clock: systemClock,
      wheel: this.wheel,
      random: Math.random,
    });
    this.apply(this.port);
  }

  /** Points cluster `xds` at a port. */
  apply(port: number): void {
    const result = decodeBootstrap(bootstrap(port), 0);
    if (!result.ok) throw new Error(result.faults.join('\n'));
    this.clusters.apply({
      listeners: new Map(),
      clusters: result.bootstrap.clusters,
      routeTables: new Map(),
      assignments: new Map(),
    });
  }

  static async start(handler: PeerHandler): Promise<GrpcPeer> {
    const server = createServer();
    const sessions = new Set<ServerHttp2Session>();
    server.on('session', (session) => {
      sessions.add(session);
      session.on('close', () => sessions.delete(session));
    });
    let peer: GrpcPeer | null = null;
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const call = peerCall(stream, headers);
      peer!.calls.push(call);
      const reader = new MessageReader(1024 * 1024);
      stream.on('data', (chunk: Buffer) => {
        for (const message of reader.push(chunk)) handler.onMessage?.(call, message);
      });
      stream.on('end', () => handler.onHalfClose?.(call));
      stream.on('aborted', () => handler.onCancel?.(call));
      stream.on('error', () => {});
      handler.onCall?.(call);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    peer = new GrpcPeer(server, sessions);
    return peer;
  }

  gauge(name: string): number {
    return this.stats.gauge(`cluster.xds.${name}`).value;
  }

  counter(name: string): number {
    return this.stats.counter(`cluster.xds.${name}`).value;
  }

  /** Breaks every connection. */
  breakConnections(): void {
    for (const session of this.#sessions) session.destroy();
  }

  async close(): Promise<void> {
    this.clusters.destroyAll();
    this.breakConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

function peerCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): PeerCall {
  let trailers: Record<string, string> = {};
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  return {
    path: String(headers[':path']),
    headers,
    stream,
    send(message) {
      if (!stream.headersSent)
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.write(frameMessage(message));
    },
    end(code, message = '') {
      const status = { 'grpc-status': String(code), 'grpc-message': encodeURIComponent(message) };
      if (stream.headersSent) {
        trailers = status;
        stream.end();
      } else stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...status }, { endStream: true });
    },
  };
}

function bootstrap(port: number): unknown {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  const options = {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  };
  return {
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options },
          load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
        },
      ],
    },
  };
}
