/**
 * The admin endpoint: Envoy's paths and shapes over plain HTTP, on loopback unless the bootstrap says otherwise. Uses the sidecar's own codec, as node:http would cost a
 * process 8 MB; makes text only when asked. Changing anything takes POST, and who may do it is in admin-guard.ts.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { RequestReceiver, ServerConnectionOwner, ServerStream } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { defaultHttpLimits } from '../codec/limits.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { Http1ServerConnection } from '../http1/server-connection.ts';
import { compileLinearRegex } from '../runtime/linear-regex.ts';
import { type Log, type LogLevel, logLevels } from '../runtime/log.ts';
import type { TimerWheel } from '../runtime/timer-wheel.ts';
import { prometheusText } from '../stats/prometheus-text.ts';
import type { StatStore } from '../stats/stat-store.ts';
import { type StatsQuery, statsJson, statsText } from '../stats/stats-text.ts';
import { adminRefusal } from './admin-guard.ts';

export type ServerState = 'PRE_INITIALIZING' | 'INITIALIZING' | 'LIVE' | 'DRAINING';

/** What the admin endpoint shows and does; implemented by the sidecar. */
export interface AdminContext {
  readonly stats: StatStore;
  readonly log: Log;
  readonly wheel: TimerWheel;
  state(): ServerState;
  /** `/ready`: 200 or 503, and what is said with it. */
  readiness(): { readonly ready: boolean; readonly text: string };
  serverInfo(): unknown;
  /** `/clusters` as text and as JSON. */
  clustersText(): string;
  clustersJson(): unknown;
  circuitBreakersJson(): unknown;
  /** By an operator: holds it, or releases it (null). False: none is called so. */
  forceBreaker(name: string, to: 'open' | 'closed' | null): boolean;
  listenersText(): string;
  listenersJson(): unknown;
  configDump(query: {
    readonly resource: string;
    readonly nameFilter: RegExp | null;
    readonly includeEds: boolean;
  }): unknown;
  certificates(): unknown;
  /** Refreshes gauges that are computed (memory, uptime) before statistics are shown. */
  refreshStats(): void;
  drainListeners(graceful: boolean, inboundOnly: boolean): void;
  setHealthcheckFailed(failed: boolean): void;
  quit(): void;
}

interface Answer {
  readonly status: number;
  readonly type: 'text/plain; charset=UTF-8' | 'application/json' | 'text/plain; version=0.0.4; charset=utf-8';
  readonly body: string;
  /** Of a 405: the methods that there are. */
  readonly allow?: string;
}

type Handler = (context: AdminContext, query: URLSearchParams) => Answer;

interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly help: string;
  readonly handle: Handler;
}

const text = (body: string, status = 200): Answer => ({ status, type: 'text/plain; charset=UTF-8', body });
const json = (value: unknown): Answer => ({
  status: 200,
  type: 'application/json',
  body: `${JSON.stringify(value, null, 1)}\n`,
});

const endpoints: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>([
  [
    '/ready',
    {
      method: 'GET',
      help: 'readiness: 200 LIVE, with warnings of certificates behind it; else 503',
      handle: (context) => {
        const { ready, text: said } = context.readiness();
        return text(`${said}\n`, ready ? 200 : 503);
      },
    },
  ],
  [
    '/server_info',
    { method: 'GET', help: 'version, state, node and uptime', handle: (context) => json(context.serverInfo()) },
  ],
  ['/stats', { method: 'GET', help: 'statistics (?filter=REGEX, ?usedonly, ?format=json|prometheus)', handle: stats }],
  ['/stats/prometheus', { method: 'GET', help: 'statistics as Prometheus text (?filter=REGEX)', handle: prometheus }],
  [
    '/clusters',
    {
      method: 'GET',
      help: 'clusters and hosts (?format=json)',
      handle: (context, query) => (wantsJson(query) ? json(context.clustersJson()) : text(context.clustersText())),
    },
  ],
  [
    '/circuit_breakers',
    {
      method: 'GET',
      help: 'circuit breakers: state, since when, why, and figures',
      handle: (context) => json(context.circuitBreakersJson()),
    },
  ],
  ['/circuit_breakers/open', holdBreaker('open', 'holds a circuit breaker open: its requests are refused (?name=)')],
  ['/circuit_breakers/close', holdBreaker('closed', 'holds a circuit breaker closed: requests pass (?name=)')],
  ['/circuit_breakers/release', holdBreaker(null, 'lets a circuit breaker go on by itself (?name=)')],
  [
    '/listeners',
    {
      method: 'GET',
      help: 'listeners (?format=json)',
      handle: (context, query) => (wantsJson(query) ? json(context.listenersJson()) : text(context.listenersText())),
    },
  ],
  [
    '/config_dump',
    { method: 'GET', help: 'configuration in use (?resource=, ?name_regex=, ?include_eds)', handle: configDump },
  ],
  [
    '/certs',
    { method: 'GET', help: 'certificates in use; never keys', handle: (context) => json(context.certificates()) },
  ],
  ['/logging', { method: 'POST', help: 'log level (?level=trace|debug|info|warn|error|off)', handle: logging }],
  [
    '/drain_listeners',
    {
      method: 'POST',
      help: 'closes listeners; ?graceful finishes the requests in hand first, ?inboundonly leaves the outbound side alone',
      handle: (context, query) => {
        context.drainListeners(query.has('graceful'), query.has('inboundonly'));
        return text('OK\n');
      },
    },
  ],
  [
    '/healthcheck/fail',
    {
      method: 'POST',
      help: 'makes /ready answer 503',
      handle: (context) => (context.setHealthcheckFailed(true), text('OK\n')),
    },
  ],
  [
    '/healthcheck/ok',
    {
      method: 'POST',
      help: 'undoes /healthcheck/fail',
      handle: (context) => (context.setHealthcheckFailed(false), text('OK\n')),
    },
  ],
  ['/quitquitquit', { method: 'POST', help: 'ends the process', handle: (context) => (context.quit(), text('OK\n')) }],
  ['/reset_counters', { method: 'POST', help: 'sets counters to 0', handle: resetCounters }],
]);

function wantsJson(query: URLSearchParams): boolean {
  return query.get('format') === 'json';
}

function holdBreaker(to: 'open' | 'closed' | null, help: string): Endpoint {
  return {
    method: 'POST',
    help,
    handle: (context, query) => {
      const name = query.get('name') ?? '';
      if (context.forceBreaker(name, to)) return text('OK\n');
      const named = name === '' ? 'name: is missing' : `name: there is no circuit breaker ${JSON.stringify(name)}`;
      return text(
        `${named}; GET /circuit_breakers lists them (# is written %23 in a query)\n`,
        name === '' ? 400 : 404,
      );
    },
  };
}

class BadQuery extends Error {}

/** A caller's pattern runs in linear time (re2js), presented as the RegExp that callers expect. */
function pattern(query: URLSearchParams, name: string): RegExp | null {
  const source = query.get(name);
  if (source === null || source === '') return null;
  try {
    const compiled = compileLinearRegex(source);
    return { test: (value: string) => compiled.matcher(value).find() } as RegExp;
  } catch (error) {
    throw new BadQuery(
      `${name}: ${JSON.stringify(source)} is not a regular expression (RE2 syntax): ${(error as Error).message}\n`,
    );
  }
}

function stats(context: AdminContext, query: URLSearchParams): Answer {
  context.refreshStats();
  const wanted: StatsQuery = { filter: pattern(query, 'filter'), usedOnly: query.has('usedonly') };
  if (query.get('format') === 'prometheus') return prometheus(context, query);
  return wantsJson(query) ? json(statsJson(context.stats, wanted)) : text(statsText(context.stats, wanted));
}

function prometheus(context: AdminContext, query: URLSearchParams): Answer {
  context.refreshStats();
  return {
    status: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    body: prometheusText(context.stats, pattern(query, 'filter')),
  };
}

function configDump(context: AdminContext, query: URLSearchParams): Answer {
  return json(
    context.configDump({
      resource: query.get('resource') ?? '',
      nameFilter: pattern(query, 'name_regex'),
      includeEds: query.has('include_eds'),
    }),
  );
}

function logging(context: AdminContext, query: URLSearchParams): Answer {
  const level = query.get('level');
  if (level === null) return text(`active log level: ${context.log.level}\n`);
  const known = (level === 'warning' ? 'warn' : level) as LogLevel;
  if (!logLevels.includes(known))
    throw new BadQuery(`level: ${JSON.stringify(level)} is not one of ${logLevels.join(', ')}\n`);
  context.log.level = known;
  return text(`active log level: ${known}\n`);
}

function resetCounters(context: AdminContext): Answer {
  for (const counter of context.stats.counters.values()) counter.value = 0;
  for (const histogram of context.stats.histograms.values()) {
    histogram.counts.fill(0);
    histogram.sum = 0;
    histogram.count = 0;
  }
  return text('OK\n');
}

/** Paths of the scrape-and-probe port (15020): read-only. */
const probeEndpoints: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>([
  ['/metrics', endpoints.get('/stats/prometheus')!],
  ['/healthz/live', { method: 'GET', help: 'liveness', handle: () => text('OK\n') }],
  ['/healthz/ready', endpoints.get('/ready')!],
]);

function helpPage(table: ReadonlyMap<string, Endpoint>): string {
  let page = 'admin commands are:\n';
  for (const [path, { method, help }] of table) page += `  ${path}${method === 'POST' ? ' (POST)' : ''}: ${help}\n`;
  return page;
}

function respond(table: ReadonlyMap<string, Endpoint>, context: AdminContext, request: RequestHead): Answer {
  const [path = '/', search = ''] = request.path.split('?', 2);
  if (path === '/' || path === '/help') return text(helpPage(table));
  const endpoint = table.get(path);
  if (endpoint === undefined) return text(`invalid path. ${helpPage(table)}`, 404);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (method !== endpoint.method)
    return {
      ...text(`Method ${request.method} not allowed, ${endpoint.method} required.\n`, 405),
      allow: endpoint.method === 'GET' ? 'GET, HEAD' : endpoint.method,
    };
  try {
    return endpoint.handle(context, new URLSearchParams(search));
  } catch (error) {
    if (error instanceof BadQuery) return text(error.message, 400);
    throw error;
  }
}

const maxConnections = 256;

const closing = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'admin_closed',
  message: 'The admin endpoint is closing.',
});

/** One caller's connection: answers each request when it is whole. What a caller sends as a body is read and dropped. */
class AdminConnection implements ServerConnectionOwner {
  readonly #answer: (head: RequestHead) => Answer;
  readonly #onClosed: (connection: AdminConnection) => void;
  readonly #codec: Http1ServerConnection;

  constructor(
    socket: Socket,
    wheel: TimerWheel,
    answer: (head: RequestHead) => Answer,
    onClosed: (connection: AdminConnection) => void,
  ) {
    this.#answer = answer;
    this.#onClosed = onClosed;
    this.#codec = new Http1ServerConnection(socket, this, defaultHttpLimits, {
      scheme: 'http',
      wheel,
      acceptHttp10: true,
      firstBytes: null,
      headTimeoutMs: 5_000,
    });
  }

  onStream(stream: ServerStream): RequestReceiver {
    let head: RequestHead | null = null;
    const end = (): void => {
      if (head !== null) send(stream, head, this.#answer(head));
    };
    return {
      onHead: (received, endStream) => {
        head = received;
        // An upgrade is not known here: the request is answered as it stands.
        if (endStream || received.upgrade !== '' || received.method === 'CONNECT') end();
      },
      onData: (_chunk, endStream) => {
        if (endStream) end();
      },
      onTrailers: end,
      onReset: () => {},
      onWriteBlocked: () => {},
      onWriteReady: () => {},
    };
  }

  onCodecError(): void {
    // The codec has answered it.
  }

  onClose(): void {
    this.#onClosed(this);
  }

  close(): void {
    this.#codec.destroy(closing);
  }
}

/** A running admin or probe port. */
export class AdminServer {
  readonly #server: Server;
  readonly #connections: Set<AdminConnection>;

  private constructor(server: Server, connections: Set<AdminConnection>) {
    this.#server = server;
    this.#connections = connections;
  }

  /** Binds and serves. `kind` decides which paths there are; `token` lets other machines change something. Rejects with the system's error when the port cannot be had. */
  static start(
    kind: 'admin' | 'probe',
    address: { readonly host: string; readonly port: number },
    context: AdminContext,
    token = '',
  ): Promise<AdminServer> {
    const table = kind === 'admin' ? endpoints : probeEndpoints;
    const access = { host: address.host, token };
    const connections = new Set<AdminConnection>();
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = socket.remoteAddress ?? '';
      connections.add(
        new AdminConnection(
          socket,
          context.wheel,
          (head) => {
            // The probe port changes nothing, and is called by whatever name a scraper has.
            const refusal = kind === 'admin' ? adminRefusal(access, head, peer) : null;
            return refusal === null ? respond(table, context, head) : text(`${refusal}\n`, 403);
          },
          (closed) => connections.delete(closed),
        ),
      );
    });
    server.maxConnections = maxConnections;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.host, () => {
        server.off('error', reject);
        server.on('error', (error) => context.log.error(`${kind} port: ${error.message}`));
        resolve(new AdminServer(server, connections));
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const connection of [...this.#connections]) connection.close();
    });
  }
}

const allowName = headerName('allow');

function send(stream: ServerStream, request: RequestHead, answer: Answer): void {
  const body = Buffer.from(answer.body);
  const head = new ResponseHead(
    answer.status,
    HeaderFields.of(
      ['content-type', answer.type],
      ['content-length', String(body.length)],
      ['cache-control', 'no-cache, max-age=0'],
      ['x-content-type-options', 'nosniff'],
      ['server', 'outrigger'],
    ),
  );
  if (answer.allow !== undefined) head.fields.append(allowName, answer.allow);
  const bodyless = request.method === 'HEAD' || body.length === 0;
  stream.sendHead(head, bodyless);
  if (!bodyless) stream.sendData(body, true);
}
