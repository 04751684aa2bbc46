/**
 * HTTP to the API server, as little of it as is needed: a call with a JSON answer, and a watch, which is an answer in lines that goes on. By node:https (docs/adr/0009). What the answers say is not known here, nor when
 * to ask again.
 */
import { type ClientRequest, type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http';
import { type RequestOptions, Agent as SecureAgent, request as secureRequest } from 'node:https';
import { ApiFault, ApiGarbage } from './api-fault.ts';
import type { ApiServer } from './api-server.ts';

/** One page of a list; 500 of the largest objects that etcd takes would be more. */
const maxAnswerBytes = 256 * 1024 * 1024;
/** One event of a watch: an object of etcd's size, as JSON. */
const maxLineBytes = 16 * 1024 * 1024;
const maxFaultBytes = 64 * 1024;
const callTimeoutMs = 30_000;
/** Bookmarks come about once a minute. */
const watchSilenceMs = 150_000;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  /** Default: JSON; of a PATCH a merge patch. */
  readonly contentType?: string;
}

export class ApiClient {
  readonly #server: ApiServer;
  readonly #agent: PlainAgent | SecureAgent;
  readonly #origin: URL;
  readonly #underWay = new Set<ClientRequest>();
  #closed = false;

  constructor(server: ApiServer) {
    this.#server = server;
    this.#origin = new URL(server.url);
    // A connection for each watch that is open, and some for calls.
    const options = { keepAlive: true, keepAliveMsecs: 15_000, maxSockets: 64 };
    this.#agent = this.#origin.protocol === 'http:' ? new PlainAgent(options) : new SecureAgent(options);
  }

  /** The JSON of the answer. Rejects with ApiFault, ApiGarbage, or the system's error. */
  async call({ method, path, body, contentType }: Call): Promise<unknown> {
    const response = await this.#send(method, path, body, callTimeoutMs, contentType);
    const text = await wholeText(response, maxAnswerBytes);
    try {
      return JSON.parse(text);
    } catch {
      throw new ApiGarbage(`the API server's answer to ${method} ${path.split('?', 1)[0]} is not JSON`);
    }
  }

  /** Calls `onOpen` when the answer has begun, and `onLine` for each line, until it ends. Rejects as call() does, and when nothing has come for 150 s, or a line is too long. What `onLine` throws ends it. */
  async watch(path: string, onLine: (line: string) => void, onOpen: () => void): Promise<void> {
    const response = await this.#send('GET', path, undefined, watchSilenceMs);
    onOpen();
    let parts: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        parts.push(chunk.subarray(from, at));
        const line = (parts.length === 1 ? parts[0]! : Buffer.concat(parts)).toString();
        parts = [];
        bytes = 0;
        from = at + 1;
        if (line.trim() !== '') onLine(line);
      }
      if (from === chunk.length) continue;
      parts.push(chunk.subarray(from));
      bytes += chunk.length - from;
      if (bytes > maxLineBytes) throw new ApiGarbage('an event of a watch is longer than 16 MiB');
    }
    if (bytes > 0) throw new ApiGarbage('a watch ended in the middle of an event');
  }

  /** Ends what is under way; nothing can be asked afterwards. */
  close(): void {
    this.#closed = true;
    for (const call of this.#underWay) call.destroy(new Error('the control plane stops'));
    this.#agent.destroy();
  }

  #send(
    method: string,
    path: string,
    body: unknown,
    silenceMs: number,
    contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
  ): Promise<IncomingMessage> {
    const { serverName, insecure } = this.#server;
    const { protocol, hostname, port, pathname } = this.#origin;
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new Error('the control plane stops');
      const { token, certificate, key } = this.#server.credentials();
      const ca = this.#server.ca();
      const text = body === undefined ? '' : JSON.stringify(body);
      const options: RequestOptions = {
        method,
        host: hostname.replace(/^\[|\]$/g, ''),
        port: port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port),
        path: `${pathname === '/' ? '' : pathname}${path}`,
        agent: this.#agent,
        timeout: silenceMs,
        headers: {
          accept: 'application/json',
          'user-agent': 'outrigger-control-plane',
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined
            ? {}
            : {
                'content-type': contentType,
                'content-length': Buffer.byteLength(text),
              }),
        },
        ...(protocol === 'http:'
          ? {}
          : {
              rejectUnauthorized: !insecure,
              minVersion: 'TLSv1.2' as const,
              ...(ca === null ? {} : { ca }),
              ...(certificate === null || key === null ? {} : { cert: certificate, key }),
              ...(serverName === null ? {} : { servername: serverName }),
            }),
      };
      const call = protocol === 'http:' ? plainRequest(options) : secureRequest(options);
      this.#underWay.add(call);
      call.once('close', () => this.#underWay.delete(call));
      call.on('timeout', () =>
        call.destroy(new Error(`the API server has said nothing for ${Math.round(silenceMs / 1000)} s`)),
      );
      call.on('error', reject);
      call.on('response', (response) => {
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) {
          resolve(response);
          return;
        }
        wholeText(response, maxFaultBytes).then(
          (message) => reject(ApiFault.ofAnswer(status, message, response.headers['retry-after'])),
          reject,
        );
      });
      call.end(text);
    });
  }
}

async function wholeText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ApiGarbage(`an answer of the API server is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
