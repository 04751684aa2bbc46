/**
 * The admin endpoint: Envoy's paths and shapes over plain HTTP, on loopback unless the bootstrap says otherwise. Uses the sidecar's own codec, as node:http would cost a
 * process 8 MB; makes text only when asked. Changing anything takes POST, and who may do it is in admin-guard.ts.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Exposition } from '../../metrics/exposition.ts';
import { type ScrapeFailure, scrapeBounds, tooManyScrapes } from '../../metrics/scrape-bounds.ts';
import { CallerPlaces } from '../../net/caller-places.ts';
import type { RequestReceiver, ServerConnectionOwner, ServerStream } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { defaultHttpLimits } from '../codec/limits.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { Http1ServerConnection } from '../http1/server-connection.ts';
import type { FlightRecorder } from '../recorder/flight-recorder.ts';
import { recordJson } from '../recorder/record-json.ts';
import { compileLinearRegex } from '../runtime/linear-regex.ts';
import { type Log, type LogLevel, logLevels } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import type { ScrapeRequest } from '../stats/scrapes.ts';
import type { StatStore } from '../stats/stat-store.ts';
import { type StatKind, type StatsQuery, statKinds, statsJson, statsText } from '../stats/stats-text.ts';
import { adminRefusal } from './admin-guard.ts';
import { AnswerInPieces } from './answer-in-pieces.ts';
import { parseRequestsQuery } from './requests-query.ts';

export type ServerState = 'PRE_INITIALIZING' | 'INITIALIZING' | 'LIVE' | 'DRAINING';

/** What the admin endpoint shows and does; implemented by the sidecar. */
export interface AdminContext {
  readonly stats: StatStore;
  readonly log: Log;
  readonly wheel: TimerWheel;
  /** The clock of this machine: answers say it. */
  wallMs(): number;
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
  /** Records of recent requests: the last ones that a filter lets pass; those of a request id or trace id. */
  readonly recorder: Pick<FlightRecorder, 'list' | 'find'>;
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
  /** Statistics for Prometheus, refreshed, with the figures of the process. */
  scrape(request: ScrapeRequest): Promise<Exposition>;
  drainListeners(graceful: boolean, inboundOnly: boolean): void;
  setHealthcheckFailed(failed: boolean): void;
  quit(): void;
  /** Takes the instance out, and finishes what callers have in hand: comes back then. */
  leaveMesh(): Promise<void>;
  /** Comes back when it has left; false: nobody has told it to. */
  whenLeft(): Promise<boolean>;
  /** Makes a probe of the application; null: there is none of that path. */
  probeApplication(
    path: string,
    userAgent: string,
  ): Promise<{ readonly passed: boolean; readonly text: string } | null>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Exposition;
  /** Of a 405: the methods that there are. */
  readonly allow?: string;
}

type Handler = (context: AdminContext, query: URLSearchParams, request: RequestHead) => Answer | Promise<Answer>;

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
  [
    '/stats',
    {
      method: 'GET',
      help: 'statistics (?filter=REGEX, ?usedonly, ?type=Counters|Gauges|Histograms, ?format=json|prometheus)',
      handle: stats,
    },
  ],
  [
    '/stats/prometheus',
    {
      method: 'GET',
      help: 'statistics for Prometheus: text, OpenMetrics or protobuf, as it takes them (?filter=REGEX, ?usedonly)',
      handle: prometheus,
    },
  ],
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
  [
    '/requests',
    {
      method: 'GET',
      help: 'recent requests: failed, slow, and a sample (?errors, ?flag=, ?status=, ?destination=, ?minDuration=, ?limit= …); /requests/ID: what is known of one, by request id or trace id',
      handle: recentRequests,
    },
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
  [
    '/leave',
    {
      method: 'POST',
      help: 'takes the instance out of the mesh and finishes what callers have in hand; answers when that is done',
      handle: async (context) => {
        await context.leaveMesh();
        return text('OK\n');
      },
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

function statKind(name: string): StatKind {
  const found = statKinds.find((kind) => kind === name);
  if (found === undefined) throw new BadQuery(`type: ${JSON.stringify(name)} is not one of ${statKinds.join(', ')}\n`);
  return found;
}

function stats(context: AdminContext, query: URLSearchParams, request: RequestHead): Answer | Promise<Answer> {
  context.refreshStats();
  const wanted: StatsQuery = {
    filter: pattern(query, 'filter'),
    usedOnly: query.has('usedonly'),
    kind: statKind(query.get('type') ?? 'All'),
  };
  if (query.get('format') === 'prometheus') return prometheus(context, query, request);
  return wantsJson(query) ? json(statsJson(context.stats, wanted)) : text(statsText(context.stats, wanted));
}

function prometheus(context: AdminContext, query: URLSearchParams, { fields }: RequestHead): Promise<Answer> {
  const scrape = {
    filter: pattern(query, 'filter'),
    usedOnly: query.has('usedonly'),
    accept: fields.get('accept') ?? '',
    acceptEncoding: fields.get('accept-encoding') ?? '',
  };
  return context.scrape(scrape).then((body) => ({ status: 200, type: body.contentType, body }));
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

function recentRequests(context: AdminContext, query: URLSearchParams): Answer {
  const wanted = parseRequestsQuery(query);
  if (typeof wanted === 'string') throw new BadQuery(`${wanted}\n`);
  return json({ requests: context.recorder.list(wanted.filter, wanted.limit).map(recordJson) });
}

const requestPath = '/requests/';

/** One request may have passed several times. */
function oneRequest(context: AdminContext, path: string, method: string): Answer {
  if (method !== 'GET' && method !== 'HEAD')
    return { ...text(`Method ${method} not allowed, GET required.\n`, 405), allow: 'GET, HEAD' };
  const id = decoded(path.slice(requestPath.length));
  const records = context.recorder.find(id);
  if (records.length > 0) return json({ requests: records.map(recordJson) });
  const body = `there is no record of a request ${JSON.stringify(id)}: it did not pass here, was not kept (failed and slow ones are, and a sample), or others took its place\n`;
  return text(body, 404);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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
  for (const histogram of context.stats.histograms.values()) histogram.reset();
  return text('OK\n');
}

/** Paths of the scrape-and-probe port (15020): read-only. */
const probeEndpoints: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>([
  ['/metrics', endpoints.get('/stats/prometheus')!],
  ['/healthz/live', { method: 'GET', help: 'liveness', handle: () => text('OK\n') }],
  ['/healthz/ready', endpoints.get('/ready')!],
  [
    '/app-drain',
    {
      method: 'GET',
      help: 'answers when the sidecar has left the mesh (/leave): the application may end then',
      handle: async (context) =>
        text((await context.whenLeft()) ? 'OK\n' : 'OK, though nobody has told the sidecar to leave\n'),
    },
  ],
]);

const appHealthPath = '/app-health/';

/** The application's own probes, in the kubelet's place. */
async function appHealth(context: AdminContext, path: string, request: RequestHead): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { ...text(`Method ${request.method} not allowed, GET required.\n`, 405), allow: 'GET, HEAD' };
  const outcome = await context.probeApplication(path, request.fields.get('user-agent') ?? '');
  if (outcome === null) return text(`there is no probe ${path}\n`, 404);
  return text(`${outcome.text}\n`, outcome.passed ? 200 : 503);
}

function helpPage(table: ReadonlyMap<string, Endpoint>): string {
  let page = 'admin commands are:\n';
  for (const [path, { method, help }] of table) page += `  ${path}${method === 'POST' ? ' (POST)' : ''}: ${help}\n`;
  return page;
}

function respond(
  table: ReadonlyMap<string, Endpoint>,
  context: AdminContext,
  request: RequestHead,
): Answer | Promise<Answer> {
  const [path = '/', search = ''] = request.path.split('?', 2);
  if (table === probeEndpoints && path.startsWith(appHealthPath)) return appHealth(context, path, request);
  if (table === endpoints && path.startsWith(requestPath)) return oneRequest(context, path, request.method);
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
    return endpoint.handle(context, new URLSearchParams(search), request);
  } catch (error) {
    if (error instanceof BadQuery) return text(error.message, 400);
    throw error;
  }
}

/** Any peer can reach the probe port, and the kubelet has to get through: in the place of whoever rests, from whatever address. */
const bounds = { maxConnections: 256, maxPerAddress: 64 };
/** Between a connection and its first request, and between an answer and the next one. */
const idleMs = 5_000;
/** A request has to be whole, and an answer read, when so much more has gone by. */
const graceMs = 5_000;

const closing = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'admin_closed',
  message: 'The admin endpoint is closing.',
});
const madePlace = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'admin_made_place',
  message: 'Another scrape took the place of this one.',
});
const tooSlow = new ProxyError({
  flag: 'SI',
  source: 'downstream',
  details: 'admin_idle_timeout',
  message: 'The caller of the admin endpoint did nothing for too long.',
});

interface AdminConnectionOwner {
  answer(head: RequestHead): Answer | Promise<Answer>;
  /** Of an answer that goes out now. */
  dateText(): string;
  /** It owes an answer. */
  onWork(): void;
  onRest(): void;
  /** An answer in pieces is to begin. Else why not. */
  onScrape(connection: AdminConnection): Answer | null;
  onScraped(connection: AdminConnection): void;
  onScrapeNotRead(): void;
  onClosed(connection: AdminConnection): void;
}

/** One caller's connection: answers each request when it is whole, some later. What a caller sends as a body is read and dropped. Ends when nothing whole is asked, or nothing read, for long. */
class AdminConnection implements ServerConnectionOwner, TimerTarget {
  readonly #owner: AdminConnectionOwner;
  readonly #wheel: TimerWheel;
  readonly #codec: Http1ServerConnection;
  readonly #timer = new WheelTimer(this);
  /** The idle limit is over; what is under way has the grace. */
  #late = false;
  #scraping = false;

  constructor(socket: Socket, wheel: TimerWheel, owner: AdminConnectionOwner) {
    this.#owner = owner;
    this.#wheel = wheel;
    this.#codec = new Http1ServerConnection(socket, this, defaultHttpLimits, {
      scheme: 'http',
      wheel,
      acceptHttp10: true,
      firstBytes: null,
      headTimeoutMs: 5_000,
    });
    wheel.arm(this.#timer, idleMs);
  }

  onStream(stream: ServerStream): RequestReceiver {
    let head: RequestHead | null = null;
    let gone = false;
    let inPieces: AnswerInPieces | null = null;
    const end = (): void => {
      if (head === null) return;
      const request = head;
      this.#wheel.disarm(this.#timer);
      const answer = this.#owner.answer(request);
      if (!(answer instanceof Promise)) {
        this.#send(stream, request, answer);
        this.#rest();
        return;
      }
      this.#owner.onWork();
      void answer
        .catch((error: Error) => text(`${error.message}\n`, 500))
        .then((later) => {
          if (gone) return;
          inPieces = this.#send(stream, request, later);
          this.#rest();
        });
    };
    return {
      onHead: (received, endStream) => {
        head = received;
        // An upgrade is not known here: the request is answered as it stands.
        if (endStream || received.upgrade !== '' || received.method === 'CONNECT') end();
        else this.#await();
      },
      onData: (_chunk, endStream) => {
        if (endStream) end();
      },
      onTrailers: end,
      onReset: () => {
        gone = true;
        inPieces?.cancel();
      },
      onWriteBlocked: () => inPieces?.block(),
      onWriteReady: () => inPieces?.unblock(),
    };
  }

  onCodecError(): void {
    // The codec has answered it.
  }

  onClose(): void {
    this.#wheel.disarm(this.#timer);
    this.#owner.onClosed(this);
  }

  onTimer(): void {
    if (this.#late) {
      if (this.#scraping) this.#owner.onScrapeNotRead();
      this.#codec.destroy(tooSlow);
      return;
    }
    this.#late = true;
    this.#codec.closeIfIdle();
    this.#wheel.arm(this.#timer, graceMs);
  }

  close(why: ProxyError = closing): void {
    this.#codec.destroy(why);
  }

  #send(stream: ServerStream, request: RequestHead, answer: Answer): AnswerInPieces | null {
    const { body } = answer;
    if (typeof body === 'string' || request.method === 'HEAD') {
      sendAnswer(stream, request, answer, this.#owner.dateText());
      return null;
    }
    const refusal = this.#owner.onScrape(this);
    if (refusal !== null) {
      sendAnswer(stream, request, refusal, this.#owner.dateText());
      return null;
    }
    this.#scraping = true;
    sendAnswer(stream, request, answer, this.#owner.dateText());
    return new AnswerInPieces(
      stream,
      body.pieces,
      () => this.#await(),
      () => {
        this.#scraping = false;
        this.#owner.onScraped(this);
      },
    );
  }

  #rest(): void {
    this.#owner.onRest();
    this.#await();
  }

  #await(): void {
    this.#late = false;
    this.#wheel.arm(this.#timer, idleMs);
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
    const places = new CallerPlaces<Socket>(bounds, (socket) => socket.destroy());
    const scrapeFailed = (reason: ScrapeFailure): void =>
      context.stats.counter('admin.scrapes_failed', 'outrigger_scrapes_failed_total', { reason }).increment();
    const scrapes = new CallerPlaces<AdminConnection>(scrapeBounds, (connection) => {
      scrapeFailed('too_many');
      connection.close(madePlace);
    });
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const peer = socket.remoteAddress ?? '';
      if (!places.enter(socket, peer)) {
        socket.destroy();
        return;
      }
      connections.add(
        new AdminConnection(socket, context.wheel, {
          answer: (head) => {
            // The probe port changes nothing, and is called by whatever name a scraper has.
            const refusal = kind === 'admin' ? adminRefusal(access, head, peer) : null;
            return refusal === null ? respond(table, context, head) : text(`${refusal}\n`, 403);
          },
          dateText: () => new Date(context.wallMs()).toUTCString(),
          onWork: () => places.works(socket),
          onRest: () => places.rests(socket),
          onScrape: (connection) => {
            const taken = scrapes.enter(connection, peer);
            if (taken) scrapes.works(connection);
            else scrapeFailed('too_many');
            return taken ? null : text(tooManyScrapes(peer), 503);
          },
          onScraped: (connection) => scrapes.leave(connection),
          onScrapeNotRead: () => scrapeFailed('not_read'),
          onClosed: (closed) => {
            places.leave(socket);
            connections.delete(closed);
          },
        }),
      );
    });
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
const encodingName = headerName('content-encoding');

/** All of it; of one in pieces, the head. */
function sendAnswer(
  stream: ServerStream,
  request: RequestHead,
  { status, type, body, allow }: Answer,
  date: string,
): void {
  const fields = HeaderFields.of(
    ['content-type', type],
    ['cache-control', 'no-cache, max-age=0'],
    ['x-content-type-options', 'nosniff'],
    ['server', 'outrigger'],
    ['date', date],
  );
  if (allow !== undefined) fields.append(allowName, allow);
  if (typeof body !== 'string') {
    fields.append(varyName, 'accept, accept-encoding');
    if (body.contentEncoding !== '') fields.append(encodingName, body.contentEncoding);
    stream.sendHead(new ResponseHead(status, fields), request.method === 'HEAD');
    return;
  }
  const bytes = Buffer.from(body);
  fields.append(lengthName, String(bytes.length));
  const bodyless = request.method === 'HEAD' || bytes.length === 0;
  stream.sendHead(new ResponseHead(status, fields), bodyless);
  if (!bodyless) stream.sendData(bytes, true);
}

const varyName = headerName('vary');
const lengthName = headerName('content-length');
