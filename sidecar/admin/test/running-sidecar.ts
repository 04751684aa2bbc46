/** A whole sidecar in this process, from a static bootstrap with secrets in it, and a caller of its admin port. */
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../runtime/clock.ts';
import { Log } from '../../runtime/log.ts';
import { Sidecar } from '../../server.ts';
import { parseBootstrap } from '../../xds/bootstrap-file.ts';

export interface AdminAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A listener `web` on a free port that forwards everything to the application. `more`: lines of the cluster `app`. */
function bootstrapText(appPort: number, more: string): string {
  return `
node: { id: node-1, cluster: shop/orders, locality: { zone: a }, metadata: { app_port: 7 } }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
static_resources:
  listeners:
    - name: web
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      traffic_direction: INBOUND
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: app } }] }] }
                http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
  clusters:
    - name: app
      type: STATIC
      connect_timeout: 1s
      load_assignment: { cluster_name: app, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${appPort} } } } }] }] }
      ${more}
`;
}

/** Not started yet. */
export interface MadeSidecar {
  readonly sidecar: Sidecar;
  readonly lines: string[];
  readonly ready: Promise<void>;
  readonly stopped: Promise<void>;
}

/** A sidecar before an application that listens on this port. */
export async function makeSidecar(appPort: number, clusterLines = '', drainTimeMs = 0): Promise<MadeSidecar> {
  const result = await parseBootstrap(bootstrapText(appPort, clusterLines), 'test.yaml', systemClock.wallMs());
  if (!result.ok) throw new Error(result.faults.join('\n'));
  const lines: string[] = [];
  const stopped = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<void>();
  const sidecar = new Sidecar({
    bootstrap: result.bootstrap,
    probeAddress: { host: '127.0.0.1', port: 0 },
    drainTimeMs,
    clock: systemClock,
    random: () => 0,
    log: new Log(systemClock, 'info', true, (line) => lines.push(line)),
    commandLine: { bootstrap: 'test.yaml' },
    onReady: ready.resolve,
    onStopped: stopped.resolve,
  });
  return { sidecar, lines, ready: ready.promise, stopped: stopped.promise };
}

export class RunningSidecar {
  readonly sidecar: Sidecar;
  readonly lines: string[];
  readonly stopped: Promise<void>;
  readonly #app: Server;

  private constructor(sidecar: Sidecar, app: Server, lines: string[], stopped: Promise<void>) {
    this.sidecar = sidecar;
    this.#app = app;
    this.lines = lines;
    this.stopped = stopped;
  }

  static async start(drainTimeMs = 0): Promise<RunningSidecar> {
    const app = createServer((_incoming, response) => response.end('app'));
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    const { sidecar, lines, ready, stopped } = await makeSidecar((app.address() as AddressInfo).port, '', drainTimeMs);
    await sidecar.start();
    await ready;
    return new RunningSidecar(sidecar, app, lines, stopped);
  }

  get webPort(): number {
    return this.sidecar.listeners.boundPort('web')!;
  }

  admin(method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<AdminAnswer> {
    return ask(this.sidecar.adminPort, method, path, headers);
  }

  async stop(): Promise<void> {
    this.sidecar.quit();
    await this.stopped;
    this.#app.closeAllConnections();
    this.#app.close();
  }
}

/** One request on a connection of its own. */
export function ask(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  localAddress = '127.0.0.1',
): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, localAddress, method, path, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on('error', reject);
    sent.end();
  });
}
