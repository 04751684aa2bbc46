/** The injection webhook's port: HTTPS, bounded in body, time and connections, always answered with an AdmissionReview. What is answered is in admission-review.ts, whose certificate it shows in webhook-certificate.ts. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from 'pino';
import { CallerPlaces } from '../../../net/caller-places.ts';
import type { LockedKnobs, MeshWide } from '../knobs.ts';
import {
  answerReview,
  failedReview,
  malformedReview,
  type ReviewAnswer,
  type ReviewOutcome,
} from './admission-review.ts';
import type { WebhookCertificate } from './webhook-certificate.ts';

export const webhookPath = '/inject';

export interface WebhookServerOptions {
  readonly certificate: WebhookCertificate;
  readonly meshWide: MeshWide;
  /** Default: lockedByDefault. */
  readonly locked?: LockedKnobs;
  readonly log: Logger;
  /** In milliseconds, other than ours; for tests. */
  readonly limits?: Partial<Record<keyof typeof connectionLimits, number>>;
}

/** The API server takes requests of 3 MiB at the most, and stores pods of 1.5 MB: what it asks is such a pod, and who wants it. */
const maxBodyBytes = 2 * 1024 * 1024;
/** Of all requests that are being received; above it the oldest is cut off: an API server sends its own at once. */
const maxHeldBytes = 32 * 1024 * 1024;
/** Any pod can reach the port, and the API servers have to get through: in the place of whoever rests, from whatever address. */
const bounds = { maxConnections: 512, maxPerAddress: 128 };
/** The API server gives up after 10 s. */
const requestMs = 10_000;
/** Of one connection, in Node's words. */
const connectionLimits = {
  requestTimeout: requestMs,
  headersTimeout: 5_000,
  handshakeTimeout: 5_000,
  keepAliveTimeout: 5_000,
  /** How often Node looks at them; by itself twice a minute. */
  connectionsCheckingInterval: 1_000,
} as const;
/** Lines about what is refused, of a second. */
const maxLines = 10;

export class WebhookServer {
  readonly #server: Server;
  readonly #options: WebhookServerOptions;
  readonly #stopListening: () => void;
  /** Of TCP, beneath TLS: also those whose handshake is not over. By the caller's address and port. */
  readonly #sockets = new Map<string, Socket>();
  readonly #places = new CallerPlaces<Socket>(bounds, (socket) => socket.destroy());
  /** Requests whose bodies come, and how much of them has; the oldest first. */
  readonly #bodies = new Map<IncomingMessage, number>();
  #heldBytes = 0;
  #lines = 0;
  #linesSinceMs = 0;
  /** Reviews so far, by what came of them. */
  readonly outcomes: Record<ReviewOutcome, number> = {
    injected: 0,
    unchanged: 0,
    skipped: 0,
    refused: 0,
    malformed: 0,
    failed: 0,
  };

  private constructor(options: WebhookServerOptions) {
    this.#options = options;
    const { certificate } = options;
    this.#server = createServer(
      {
        ...certificate.current(),
        minVersion: 'TLSv1.2',
        ...connectionLimits,
        ...options.limits,
        maxHeaderSize: 16 * 1024,
      },
      (request, response) => void this.#answer(request, response),
    );
    // An answer that its caller does not read.
    this.#server.timeout = requestMs;
    this.#server.on('connection', (socket: Socket) => this.#enter(socket));
    // A handshake that fails, or a socket that breaks, is its caller's.
    this.#server.on('tlsClientError', () => {});
    this.#server.on('clientError', (_, socket) => socket.destroy());
    this.#stopListening = certificate.onChange(() => this.#server.setSecureContext(certificate.current()));
  }

  /** Rejects with the system's error when the port cannot be had. */
  static start(
    address: { readonly host: string; readonly port: number },
    options: WebhookServerOptions,
  ): Promise<WebhookServer> {
    const webhook = new WebhookServer(options);
    return new Promise((resolve, reject) => {
      webhook.#server.once('error', reject);
      webhook.#server.listen(address.port, address.host, () => {
        webhook.#server.off('error', reject);
        webhook.#server.on('error', (error) => options.log.error(`webhook port: ${error.message}`));
        resolve(webhook);
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    this.#stopListening();
    this.#options.certificate.close();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), 1_000).unref();
    });
  }

  #enter(socket: Socket): void {
    const { remoteAddress = '', remotePort } = socket;
    if (!this.#places.enter(socket, remoteAddress)) {
      socket.destroy();
      return;
    }
    const caller = callerOf(remoteAddress, remotePort);
    this.#sockets.set(caller, socket);
    socket.on('close', () => {
      this.#places.leave(socket);
      if (this.#sockets.get(caller) === socket) this.#sockets.delete(caller);
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Who sends a body does not work: it goes before those that came later, as slow ones would keep others out.
    const socket = this.#sockets.get(callerOf(request.socket.remoteAddress ?? '', request.socket.remotePort));
    if (socket !== undefined) this.#places.rests(socket);
    let answer: ReviewAnswer;
    try {
      answer = await this.#review(request);
    } catch (error) {
      answer = failedReview(error);
    }
    this.outcomes[answer.outcome]++;
    this.#tell(answer);
    if (response.destroyed) return;
    const body = Buffer.from(JSON.stringify(answer.body));
    response.writeHead(answer.status, {
      'content-type': 'application/json',
      'content-length': body.length,
      'x-content-type-options': 'nosniff',
      server: 'outrigger',
      // What is left of a request that was not read to its end.
      ...(request.complete ? {} : { connection: 'close' }),
      ...(answer.status === 405 ? { allow: 'POST' } : {}),
    });
    response.end(body, () => {
      if (!request.complete) request.destroy();
    });
  }

  async #review(request: IncomingMessage): Promise<ReviewAnswer> {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path !== webhookPath) return malformedReview(404, `there is only POST ${webhookPath} here`);
    if (request.method !== 'POST') return malformedReview(405, `there is only POST ${webhookPath} here`);
    const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
    if (type !== 'application/json') return malformedReview(415, 'the content type is not application/json');
    if (request.headers['content-encoding'] !== undefined)
      return malformedReview(415, 'the body is encoded; send it as it is');
    const body = await this.#read(request);
    if (typeof body !== 'string') return body;
    return answerReview(body, this.#options.meshWide, this.#options.locked);
  }

  /** The body; or why not. */
  async #read(request: IncomingMessage): Promise<string | ReviewAnswer> {
    const tooLong = malformedReview(413, `the request is longer than ${maxBodyBytes} bytes`);
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return tooLong;
    const chunks: Buffer[] = [];
    this.#bodies.set(request, 0);
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        const bytes = this.#bodies.get(request)! + chunk.length;
        this.#bodies.set(request, bytes);
        this.#heldBytes += chunk.length;
        if (bytes > maxBodyBytes) return tooLong;
        chunks.push(chunk);
        if (this.#heldBytes > maxHeldBytes) this.#bodies.keys().next().value!.destroy();
      }
    } catch {
      return malformedReview(400, 'the request was cut off');
    } finally {
      this.#heldBytes -= this.#bodies.get(request)!;
      this.#bodies.delete(request);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  #tell({ line }: ReviewAnswer): void {
    if (line === '') return;
    const now = performance.now();
    if (now - this.#linesSinceMs >= 1_000) [this.#lines, this.#linesSinceMs] = [0, now];
    if (++this.#lines <= maxLines) this.#options.log.warn(`webhook: ${line.slice(0, 500)}`);
  }
}

function callerOf(address: string, port: number | undefined): string {
  return `${address} ${port ?? 0}`;
}
