/**
 * The load of one caller who knows nothing of the mesh: HTTP/1.1 (kept-alive and fresh connections, GET and POST, short and long) and unary gRPC calls, begun at a steady rate whatever becomes of those before. SIGTERM ends it: it begins no
 * more, waits for those under way, and prints what went wrong. Started by intercepted-rollout.test.ts.
 *
 * `node intercepted-load-program.ts HOST HTTPPORT GRPCPORT PERSECOND`
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface LoadReport {
  readonly requests: Readonly<Record<string, number>>;
  /** One line each. */
  readonly failures: readonly string[];
  /** Answers of each instance, HTTP only. */
  readonly instances: Readonly<Record<string, number>>;
}

interface UnaryClient {
  unaryCall(
    request: object,
    options: { readonly deadline: number },
    callback: (error: ServiceError | null) => void,
  ): void;
}

const [host = '', httpPort = '', grpcPort = '', perSecond = ''] = process.argv.slice(2);
const bare = host.includes(':') ? `[${host}]` : host;
const proto = loadSync(join(import.meta.dirname, '..', '..', 'bench', 'load', 'test-service.proto'));
const { TestService } = (loadPackageDefinition(proto) as never)['grpc']['testing'] as {
  readonly TestService: new (target: string, credentials: object, options: object) => UnaryClient;
};
const clients = [0, 1].map(
  (index) => new TestService(`${bare}:${grpcPort}`, credentials.createInsecure(), { 'outrigger.client': index }),
);
const kept = new Agent({ keepAlive: true, maxSockets: Infinity });
const timeoutMs = 20_000;

const requests: Record<string, number> = Object.create(null);
const instances: Record<string, number> = Object.create(null);
const failures: string[] = [];
const beganMs = performance.now();
let underWay = 0;
let stopped = false;

/** Says when it is over; '' : it went well. */
type Done = (failure: string) => void;

function http(method: string, path: string, agent: Agent | false, done: Done): void {
  const body = method === 'POST' ? Buffer.alloc(2_000, 'x') : Buffer.alloc(0);
  const headers = { host: 'orders.shop', ...(body.length === 0 ? {} : { 'content-length': body.length }) };
  const call = request({ host, port: Number(httpPort), path, method, agent, headers, timeout: timeoutMs });
  call.on('timeout', () => call.destroy(new Error('timed out')));
  call.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
  call.on('response', (response: IncomingMessage) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => (text += part));
    response.on('error', (error: NodeJS.ErrnoException) => done(`${error.code} within the answer`));
    response.on('end', () => {
      const instance = String(response.headers['x-instance'] ?? '');
      if (instance !== '') instances[instance] = (instances[instance] ?? 0) + 1;
      done(response.statusCode === 200 ? '' : `${response.statusCode}: ${text.slice(0, 300)}`);
    });
  });
  call.end(body);
}

function grpc(client: UnaryClient, done: Done): void {
  client.unaryCall({ response_size: 1_000 }, { deadline: Date.now() + timeoutMs }, (error) =>
    done(error === null ? '' : `${error.code}: ${error.details}`),
  );
}

const kinds: ReadonlyArray<readonly [name: string, run: (done: Done) => void]> = [
  ['GET', (done) => http('GET', '/delay/2', kept, done)],
  ['gRPC', (done) => grpc(clients[0]!, done)],
  ['POST', (done) => http('POST', '/sink', kept, done)],
  ['GET, long', (done) => http('GET', '/delay/400', kept, done)],
  ['gRPC, other channel', (done) => grpc(clients[1]!, done)],
  ['GET, fresh connection', (done) => http('GET', '/headers', false, done)],
];
let begun = 0;

function begin(): void {
  const [name, run] = kinds[begun++ % kinds.length]!;
  requests[name] = (requests[name] ?? 0) + 1;
  underWay++;
  let over = false;
  run((failure) => {
    if (over) return;
    over = true;
    underWay--;
    if (failure !== '')
      failures.push(`${name} after ${((performance.now() - beganMs) / 1000).toFixed(2)} s: ${failure}`);
    if (stopped && underWay === 0) finish();
  });
}

function finish(): void {
  const report: LoadReport = { requests, failures: failures.slice(0, 20), instances };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}

let due = 0;
const timer = setInterval(() => {
  const wanted = ((performance.now() - beganMs) * Number(perSecond)) / 1000;
  // Of a time in which this process did not run, at most a tenth of a second is made up for.
  due = Math.max(due, wanted - Number(perSecond) / 10);
  for (; due < wanted; due++) begin();
}, 5);
process.on('SIGTERM', () => {
  stopped = true;
  clearInterval(timer);
  if (underWay === 0) finish();
});
process.stdout.write('running\n');
