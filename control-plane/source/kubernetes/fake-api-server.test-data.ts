/** An API server in this process: lists in pages, watches, patches of status and Leases, over real HTTP on loopback, and whatever fault a test wants. It knows no schemas, roles or admission. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApiServer } from './api-server.ts';

export interface FakeObject {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly resourceVersion?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

interface Watch {
  readonly collection: string;
  readonly response: ServerResponse;
}

export class FakeApiServer {
  /** `GET /api/v1/services?…`, in order. */
  readonly requests: string[] = [];
  /** True: it has answered, or never will. */
  fault: ((method: string, url: URL, response: ServerResponse) => boolean) | null = null;
  readonly #collections = new Map<string, Map<string, FakeObject>>();
  readonly #watches = new Set<Watch>();
  /** What happened, for watches that begin in the past. */
  #events: Array<{ readonly version: number; readonly collection: string; readonly line: string }> = [];
  #version = 100;
  #oldest = 0;
  #server: Server;
  #port = 0;

  private constructor() {
    this.#server = this.#create();
  }

  static async start(): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    await fake.#listen();
    return fake;
  }

  get address(): ApiServer {
    return {
      url: `http://127.0.0.1:${this.#port}`,
      serverName: null,
      insecure: false,
      ca: () => null,
      credentials: () => ({ token: 'a token', certificate: null, key: null }),
      namespace: 'outrigger',
      inPod: false,
    };
  }

  get watching(): number {
    return this.#watches.size;
  }

  /** Makes or changes it. `collection`: `/api/v1/services`. */
  put(collection: string, object: FakeObject): FakeObject {
    const objects = this.#collections.get(collection) ?? new Map<string, FakeObject>();
    this.#collections.set(collection, objects);
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    this.#tell(collection, objects.has(key) ? 'MODIFIED' : 'ADDED', stored);
    objects.set(key, stored);
    return stored;
  }

  remove(collection: string, namespace: string, name: string): void {
    const objects = this.#collections.get(collection)!;
    const object = objects.get(`${namespace}/${name}`)!;
    objects.delete(`${namespace}/${name}`);
    const version = String(++this.#version);
    this.#tell(collection, 'DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: version } });
  }

  get(collection: string, namespace: string, name: string): FakeObject | undefined {
    return this.#collections.get(collection)?.get(`${namespace}/${name}`);
  }

  /** Only newer versions can be watched from. */
  forgetThePast(): void {
    this.#oldest = ++this.#version;
    this.#events = [];
  }

  /** Text into every open watch, as it is. */
  say(text: string): void {
    for (const { response } of this.#watches) response.write(text);
  }

  bookmark(): void {
    this.say(
      `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(++this.#version) } } })}\n`,
    );
  }

  /** In order, or as a connection that breaks. */
  endWatches(how: 'in order' | 'broken'): void {
    for (const { response } of this.#watches) {
      if (how === 'in order') response.end();
      else response.destroy();
    }
    this.#watches.clear();
  }

  async stop(): Promise<void> {
    this.endWatches('broken');
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }

  /** On the same port. */
  async restart(): Promise<void> {
    this.#server = this.#create();
    await this.#listen();
  }

  #create(): Server {
    return createServer((request, response) => void this.#serve(request, response));
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #tell(collection: string, type: string, object: FakeObject): void {
    const line = `${JSON.stringify({ type, object })}\n`;
    this.#events.push({ version: this.#version, collection, line });
    for (const watch of this.#watches) if (watch.collection === collection) watch.response.write(line);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET' } = request;
    const url = new URL(request.url ?? '/', 'http://fake');
    this.requests.push(`${method} ${url.pathname}${url.search}`);
    let text = '';
    for await (const chunk of request) text += String(chunk);
    if (this.fault?.(method, url, response) === true) return;
    const body = text === '' ? null : (JSON.parse(text) as FakeObject);
    if (method === 'GET' && url.searchParams.get('watch') === '1') this.#watch(url, response);
    else if (method === 'GET') this.#list(url, response);
    else this.#write(method, url.pathname, body!, response);
  }

  #watch(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion'));
    if (from < this.#oldest) {
      answerStatus(response, 410, 'Expired', 'too old resource version');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watch: Watch = { collection: url.pathname, response };
    for (const { version, collection, line } of this.#events)
      if (version > from && collection === url.pathname) response.write(line);
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
  }

  #list(url: URL, response: ServerResponse): void {
    const named = /^(.*)\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(url.pathname);
    if (named !== null) {
      const object = this.get(`${named[1]}/${named[3]}`, named[2]!, named[4]!);
      if (object === undefined) answerStatus(response, 404, 'NotFound', 'not found');
      else answer(response, 200, object);
      return;
    }
    const all = [...(this.#collections.get(url.pathname)?.values() ?? [])];
    const limit = Number(url.searchParams.get('limit') ?? all.length);
    const from = Number(url.searchParams.get('continue') ?? 0);
    const more = from + limit < all.length ? { continue: String(from + limit) } : {};
    answer(response, 200, {
      metadata: { resourceVersion: String(this.#version), ...more },
      items: all.slice(from, from + limit),
    });
  }

  #write(method: string, path: string, body: FakeObject, response: ServerResponse): void {
    const [, prefix, namespace, plural, name = body.metadata.name] =
      /^(.*)\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?(?:\/status)?$/.exec(path)!;
    const collection = `${prefix}/${plural}`;
    const before = this.get(collection, namespace!, name);
    if (method !== 'POST' && before === undefined) return answerStatus(response, 404, 'NotFound', 'not found');
    if (method === 'POST' && before !== undefined) return answerStatus(response, 409, 'AlreadyExists', 'it is there');
    const { resourceVersion } = body.metadata;
    if (before !== undefined && resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion)
      return answerStatus(response, 409, 'Conflict', 'it has changed');
    const metadata = { ...before?.metadata, ...body.metadata, namespace: namespace!, name };
    answer(response, 200, this.put(collection, { ...(method === 'PATCH' ? before : {}), ...body, metadata }));
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export function answerStatus(response: ServerResponse, code: number, reason: string, message: string): void {
  answer(response, code, { kind: 'Status', status: 'Failure', code, reason, message });
}
