/** Backends whose answers a test changes while they run: good, failing, silent, degraded; for outlier detection and health checks. */
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';

export interface Behaviour {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** No answer at all. */
  readonly silent?: boolean;
}

export const good: Behaviour = { status: 200 };

/** One server that answers requests and health checks (`/healthz`) as it is told. */
export class FailingBackend {
  readonly name: string;
  answers: Behaviour = good;
  checks: Behaviour = good;
  port = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(name: string) {
    this.name = name;
    this.#server = createServer((request, response) => {
      request.resume();
      answer(response, request.url === '/healthz' ? this.checks : this.answers, name);
    });
  }

  async start(): Promise<this> {
    this.port = await listen(this.#server, this.#sockets);
    return this;
  }

  stop(): void {
    close(this.#server, this.#sockets);
  }
}

function answer(response: ServerResponse, { status, headers = {}, silent = false }: Behaviour, name: string): void {
  if (silent) return;
  response.writeHead(status, { 'x-instance': name, ...headers });
  response.end();
}

/** Answers `grpc.health.v1.Health/Check` with a serving status that can be changed; 1 is SERVING. */
export class GrpcHealthBackend {
  serving = 1;
  port = 0;
  readonly #server = createHttp2() as unknown as Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server.on('stream', (stream: ServerHttp2Stream) => {
      stream.resume();
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, this.serving]));
      });
      stream.on('error', () => {});
    });
  }

  async start(): Promise<this> {
    this.port = await listen(this.#server, this.#sockets);
    return this;
  }

  stop(): void {
    close(this.#server, this.#sockets);
  }
}

/** Sends back what it gets. */
export class EchoBackend {
  port = 0;
  readonly #server = createTcp((socket) => void socket.pipe(socket));
  readonly #sockets = new Set<Socket>();

  async start(): Promise<this> {
    this.port = await listen(this.#server, this.#sockets);
    return this;
  }

  stop(): void {
    close(this.#server, this.#sockets);
  }
}

function listen(server: Server, sockets: Set<Socket>): Promise<number> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function close(server: Server, sockets: ReadonlySet<Socket>): void {
  server.close();
  for (const socket of sockets) socket.destroy();
}
