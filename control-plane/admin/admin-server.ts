/** The control plane's admin port: metrics, health, and the data behind `outrigger get`, as JSON. What changes something is in admin-actions.ts. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AdminActions, act, isLoopbackAddress } from './admin-actions.ts';

export interface AdminData {
  readonly ready: () => boolean;
  readonly metrics: () => string;
  /** JSON by the last part of `/api/v1/<name>`. */
  readonly lists: Readonly<Record<string, () => unknown>>;
  /** What may be changed by POST; null: nothing. */
  readonly actions: AdminActions | null;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const text = (body: string, status = 200): Answer => ({ status, type: 'text/plain; charset=utf-8', body });

function respond(data: AdminData, path: string): Answer {
  switch (path) {
    case '/':
      return text(
        `Outrigger control plane\n\n/metrics\n/healthz/live\n/healthz/ready\n${Object.keys(data.lists)
          .map((name) => `/api/v1/${name}\n`)
          .join('')}`,
      );
    case '/healthz/live':
      return text('OK\n');
    case '/healthz/ready':
      return data.ready() ? text('OK\n') : text('not ready: the configuration has not been read yet\n', 503);
    case '/metrics':
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: data.metrics() };
  }
  const list = path.startsWith('/api/v1/') ? path.slice('/api/v1/'.length) : '';
  if (Object.hasOwn(data.lists, list))
    return { status: 200, type: 'application/json', body: `${JSON.stringify(data.lists[list]!())}\n` };
  return text(`there is no ${path}\n`, 404);
}

/** A port of this machine only is called by its address or as localhost: another name was made to lead here, for a page in a browser to read (DNS rebinding). */
const localNames = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

async function answerTo(request: IncomingMessage, data: AdminData): Promise<Answer> {
  const { localAddress = '' } = request.socket;
  const { host = '' } = request.headers;
  if (isLoopbackAddress(localAddress) && host !== '' && !localNames.test(host))
    return text(
      `Host ${JSON.stringify(host.slice(0, 100))} is not an address of this admin port: call it by its IP address or as localhost\n`,
      403,
    );
  const path = (request.url ?? '/').split('?', 1)[0]!;
  if (request.method === 'GET' || request.method === 'HEAD') return respond(data, path);
  if (request.method !== 'POST' || data.actions === null) return text('only GET is served here\n', 405);
  const { status, body } = await act(request, path, data.actions);
  return status === 200 ? { status, type: 'application/json', body } : text(body, status);
}

export class AdminServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Rejects with the system's error when the port cannot be had. */
  static start(address: { readonly host: string; readonly port: number }, data: AdminData): Promise<AdminServer> {
    const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
      void answerTo(request, data).then(({ status, type, body }) => {
        request.resume();
        response.writeHead(status, {
          'content-type': type,
          'content-length': Buffer.byteLength(body),
          'x-content-type-options': 'nosniff',
          server: 'outrigger',
        });
        response.end(body);
      });
    });
    server.maxConnections = 256;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.host, () => resolve(new AdminServer(server)));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
