/** The control plane's admin port: metrics, health, and the data behind `outrigger get`, as JSON. What changes something is in admin-actions.ts. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { pipeline } from 'node:stream';
import type { Exposition } from '../../metrics/exposition.ts';
import { type ScrapeFailure, scrapeBounds, tooManyScrapes } from '../../metrics/scrape-bounds.ts';
import { CallerPlaces } from '../../net/caller-places.ts';
import { crossSiteFault } from '../dashboard/cross-site.ts';
import type { DashboardFiles } from '../dashboard/dashboard-files.ts';
import { securityHeaders } from '../dashboard/security-headers.ts';
import type { ObserveEndpoints } from '../observe/observe-endpoints.ts';
import { type AdminActions, act, isLoopbackAddress, ownerRefusal } from './admin-actions.ts';
import { serveTap } from './serve-tap.ts';

export interface AdminData {
  readonly ready: () => boolean;
  /** For a scraper that takes these (its `accept` and `accept-encoding`). */
  readonly metrics: (accept: string, acceptEncoding: string) => Exposition;
  /** JSON by the last part of `/api/v1/<name>`. */
  readonly lists: Readonly<Record<string, () => unknown>>;
  /** Of live traffic. */
  readonly live: Pick<ObserveEndpoints, 'get' | 'tap'>;
  /** What may be changed by POST; null: nothing. */
  readonly actions: AdminActions | null;
  /** For who comes with a browser; null: it was not built. */
  readonly dashboard: DashboardFiles | null;
}

/** A scraper that takes nothing for so long is cut. */
const scrapeIdleMs = 10_000;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer | Exposition;
  readonly headers?: Readonly<Record<string, string>>;
}

const livePaths = ['breakers', 'edges', 'edges/history', 'routes-live', 'requests', 'requests/ID', 'tap'];

const json = (body: unknown, status = 200): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(body)}\n`,
});
const text = (body: string, status = 200): Answer => ({ status, type: 'text/plain; charset=utf-8', body });

const notReady = 'not ready: the configuration has not been read yet\n';

async function respond(
  data: AdminData,
  path: string,
  query: URLSearchParams,
  headers: IncomingMessage['headers'],
): Promise<Answer> {
  switch (path) {
    case '/':
      return text(
        `Outrigger control plane\n${data.dashboard === null ? '' : '\n/dashboard/          for a browser'}\n/metrics\n/healthz/live\n/healthz/ready\n${[
          ...Object.keys(data.lists),
          ...livePaths,
        ]
          .map((name) => `/api/v1/${name}\n`)
          .join('')}`,
      );
    case '/healthz/live':
      return text('OK\n');
    case '/healthz/ready':
      return data.ready() ? text('OK\n') : text(notReady, 503);
    case '/metrics': {
      const body = data.metrics(headers.accept ?? '', String(headers['accept-encoding'] ?? ''));
      return { status: 200, type: body.contentType, body };
    }
  }
  const list = path.startsWith('/api/v1/') ? path.slice('/api/v1/'.length) : '';
  if (Object.hasOwn(data.lists, list)) {
    if (!data.ready()) return text(notReady, 503);
    return json(data.lists[list]!());
  }
  const live = list === '' ? null : await data.live.get(list, query);
  if (live !== null) return json(live.body, live.status);
  return text(`there is no ${path}\n`, 404);
}

const tapNeedsToken =
  'a tap shows requests to who has the local token, and without --listen-tls this control plane has none';

/** A port of this machine only is called by its address or as localhost: another name was made to lead here, for a page in a browser to read (DNS rebinding). */
const localNames = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

/** Null: it is being answered. */
async function answerTo(request: IncomingMessage, response: ServerResponse, data: AdminData): Promise<Answer | null> {
  const { localAddress = '' } = request.socket;
  const { host = '' } = request.headers;
  if (isLoopbackAddress(localAddress) && host !== '' && !localNames.test(host))
    return text(
      `Host ${JSON.stringify(host.slice(0, 100))} is not an address of this admin port: call it by its IP address or as localhost\n`,
      403,
    );
  const foreign = crossSiteFault(request.headers);
  if (foreign !== '') return text(`${foreign}\n`, 403);
  const [path = '/', search = ''] = (request.url ?? '/').split('?', 2);
  if (request.method === 'GET' && path === '/api/v1/tap') {
    if (data.actions === null) return json({ error: tapNeedsToken }, 403);
    const refusal = ownerRefusal(request, data.actions);
    if (refusal !== null) return json({ error: refusal.body.trim() }, refusal.status);
    const refused = serveTap(response, (begin) => data.live.tap(new URLSearchParams(search), begin));
    return refused === null ? null : json(refused.body, refused.status);
  }
  if (request.method === 'GET' || request.method === 'HEAD') {
    // At the root a program finds the list of what there is, and a person the dashboard.
    const page = path === '/' && !(request.headers.accept ?? '').includes('text/html') ? null : data.dashboard;
    return page?.answer(path, request.headers) ?? respond(data, path, new URLSearchParams(search), request.headers);
  }
  if (request.method !== 'POST' || data.actions === null) return text('only GET is served here\n', 405);
  const { status, body } = await act(request, path, data.actions);
  return status === 200 ? { status, type: 'application/json', body } : text(body, status);
}

type ScrapesFailed = Record<ScrapeFailure, number>;

export class AdminServer {
  readonly #server: Server;
  readonly scrapesFailed: Readonly<ScrapesFailed>;

  private constructor(server: Server, scrapesFailed: Readonly<ScrapesFailed>) {
    this.#server = server;
    this.scrapesFailed = scrapesFailed;
  }

  /** Rejects with the system's error when the port cannot be had. */
  static start(address: { readonly host: string; readonly port: number }, data: AdminData): Promise<AdminServer> {
    const scrapesFailed: ScrapesFailed = { too_many: 0, not_read: 0 };
    const scrapes = new CallerPlaces<ServerResponse>(scrapeBounds, (response) => {
      scrapesFailed.too_many++;
      response.destroy();
    });
    /** Whether the answer in pieces may begin. */
    const enter = (request: IncomingMessage, response: ServerResponse): boolean => {
      const taken = scrapes.enter(response, request.socket.remoteAddress ?? '');
      if (taken) scrapes.works(response);
      else scrapesFailed.too_many++;
      return taken;
    };
    const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
      const answered = answerTo(request, response, data).then((given) => {
        request.resume();
        if (given === null) return;
        const inPieces = typeof given.body !== 'string' && !Buffer.isBuffer(given.body) && request.method !== 'HEAD';
        const answer =
          inPieces && !enter(request, response) ? text(tooManyScrapes(request.socket.remoteAddress ?? ''), 503) : given;
        const { status, type, body, headers } = answer;
        response.writeHead(status, {
          'content-type': type,
          ...(typeof body === 'string' || Buffer.isBuffer(body)
            ? { 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' }
            : {
                vary: 'accept, accept-encoding',
                ...(body.contentEncoding === '' ? {} : { 'content-encoding': body.contentEncoding }),
              }),
          ...securityHeaders,
          ...headers,
          server: 'outrigger',
        });
        if (typeof body === 'string' || Buffer.isBuffer(body)) response.end(body);
        else if (request.method === 'HEAD') response.end();
        else {
          response.setTimeout(scrapeIdleMs, () => {
            scrapesFailed.not_read++;
            response.destroy();
          });
          // A scraper that went, or does not read: nobody is left to tell.
          pipeline(body.pieces, response, () => scrapes.leave(response));
        }
      });
      // A fault of ours is this answer's, and not the end of the process.
      answered.catch((error: unknown) => {
        if (response.headersSent) {
          response.destroy();
          return;
        }
        response.writeHead(500, {
          'content-type': 'text/plain; charset=utf-8',
          'cache-control': 'no-store',
          ...securityHeaders,
          server: 'outrigger',
        });
        response.end(`the control plane failed: ${(error as Error).message}\n`);
      });
    });
    server.maxConnections = 256;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.host, () => resolve(new AdminServer(server, scrapesFailed)));
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
