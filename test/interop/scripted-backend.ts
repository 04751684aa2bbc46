/** A backend that answers each case by its script, one line an attempt, and counts the attempts. HTTP/1.1, and HTTP/2 without TLS, each on a port of its own. */
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import { constants, createServer as createHttp2, type Http2ServerRequest } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';

/** What becomes of one attempt. The last line of a script stands for all that follow. */
export type ScriptLine =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly afterMs?: number;
      readonly body?: string;
    }
  /** The connection ends (HTTP/1.1), or the stream is reset with INTERNAL_ERROR. */
  | { readonly kind: 'reset' }
  /** HTTP/2 only. */
  | { readonly kind: 'refuse' }
  /** The head of an answer, and nothing after it for so long. */
  | { readonly kind: 'stall'; readonly stallMs: number };

export class ScriptedBackend {
  readonly #scripts: ReadonlyMap<string, readonly ScriptLine[]>;
  readonly #attempts = new Map<string, string[]>();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  http1Port = 0;
  http2Port = 0;

  /** `scripts` by the first segment of the path. */
  constructor(scripts: ReadonlyMap<string, readonly ScriptLine[]>) {
    this.#scripts = scripts;
  }

  async start(): Promise<void> {
    this.http1Port = await this.#listen(createHttp1((request, response) => this.#answer(request, response)));
    this.http2Port = await this.#listen(
      createHttp2((request, response) => this.#answer(request, response as unknown as ServerResponse)),
    );
  }

  /** `x-envoy-attempt-count` of every attempt of a case since forget(); '' where it was not said. */
  attempts(name: string): readonly string[] {
    return this.#attempts.get(name) ?? [];
  }

  forget(): void {
    this.#attempts.clear();
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
  }

  #listen(server: Server): Promise<number> {
    this.#servers.push(server);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
    });
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  }

  #answer(request: IncomingMessage | Http2ServerRequest, response: ServerResponse): void {
    const name = request.url!.split('/')[1]!;
    const script = this.#scripts.get(name) ?? [{ kind: 'answer', status: 200 }];
    const attempts = this.#attempts.get(name) ?? [];
    this.#attempts.set(name, attempts);
    const line = script[Math.min(attempts.length, script.length - 1)]!;
    attempts.push(String(request.headers['x-envoy-attempt-count'] ?? ''));
    request.on('error', () => {});
    response.on('error', () => {});
    request.resume();
    switch (line.kind) {
      case 'answer':
        this.#later(line.afterMs ?? 0, () => {
          response.writeHead(line.status, { ...line.headers });
          response.end(line.body ?? '');
        });
        return;
      case 'stall':
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.write('begun');
        this.#later(line.stallMs, () => response.end());
        return;
      case 'reset':
        if ('stream' in request) request.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
        else request.socket.destroy();
        return;
      case 'refuse':
        if ('stream' in request) request.stream.close(constants.NGHTTP2_REFUSED_STREAM);
    }
  }

  #later(ms: number, action: () => void): void {
    if (ms === 0) {
      action();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }
}
