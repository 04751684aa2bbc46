/**
 * The load of one caller, a process of its own beside the caller's sidecar: requests at a steady rate whether or not the ones before are answered, GET and PUT (which may run twice) and POST (which may not). Each that is over is a line of its
 * log. SIGTERM ends it: it begins no more, and waits for those that are under way.
 *
 * `node load-program.ts CALLER RUN OUTBOUNDPORT REQUESTSPERSECOND SEED LOGFILE SERVICE…`; ids begin with CALLER-RUN.
 */
import { createWriteStream } from 'node:fs';
import { Agent, request } from 'node:http';
import { seededRandom } from '../../../cli/simulate/seeded-random.ts';
import { type ClientRecord, nowMs } from './records.ts';

/** Longer than any limit of the mesh: what hangs for longer is a fault of the mesh. */
const timeoutMs = 30_000;
/** Beyond it requests are not begun: a bound for this process, not reached by the rates that are used. */
const maxUnderWay = 2_000;

const [caller, run, port, rate, seed, logFile, ...services] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
  ...string[],
];
const random = seededRandom(Number(seed), 'load');
const log = createWriteStream(logFile, { flags: 'a' });
const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
let begun = 0;
let underWay = 0;
let stopped = false;

function methodAndBody(): readonly [method: string, body: Buffer] {
  const choice = random();
  if (choice < 0.45) return ['GET', Buffer.alloc(0)];
  // A tenth is longer than what a sidecar keeps for sending it again.
  const bytes = random() < 0.9 ? Math.floor(random() * 4_000) : 100_000;
  return [choice < 0.6 ? 'PUT' : 'POST', Buffer.alloc(bytes, 'x')];
}

/** Mostly short, now and then long, so that something is always in flight. */
function workMs(): number {
  return Math.floor(random() < 0.05 ? 200 + random() * 600 : random() * 25);
}

function begin(): void {
  if (underWay >= maxUnderWay) return;
  underWay++;
  const service = services[begun % services.length]!;
  const id = `${caller}-${run}-${begun++}`;
  const [method, body] = methodAndBody();
  const startMs = nowMs();
  let over = false;
  const end = (status: number, error: string, flag: string, instance: string): void => {
    if (over) return;
    over = true;
    underWay--;
    const record: ClientRecord = {
      ...{ id, method, service, caller, startMs, endMs: nowMs() },
      ...{ status, error, flag, instance },
    };
    log.write(`${JSON.stringify(record)}\n`);
    if (stopped && underWay === 0) finish();
  };
  const call = request({
    ...{ host: '127.0.0.1', port: Number(port), path: `/work?ms=${workMs()}`, method, agent, timeout: timeoutMs },
    headers: {
      ...{ host: `${service}.shop`, 'x-request-id': id, accept: 'application/json' },
      ...(method === 'GET' ? {} : { 'content-length': body.length }),
    },
  });
  call.on('timeout', () => call.destroy(new Error('timed out')));
  call.on('error', (error: NodeJS.ErrnoException) => end(0, error.code ?? error.message, '', ''));
  call.on('response', (response) => {
    const status = response.statusCode ?? 0;
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      text += part;
    });
    response.on('error', (error: NodeJS.ErrnoException) => end(0, error.code ?? error.message, '', ''));
    response.on('end', () =>
      end(status, status === 200 ? '' : text.slice(0, 300), flagOf(text), String(response.headers['x-instance'] ?? '')),
    );
  });
  call.end(body);
}

function flagOf(text: string): string {
  return /"flag":"([^"]*)"/.exec(text)?.[1] ?? '';
}

function finish(): void {
  agent.destroy();
  log.end(() => process.exit(0));
}

const startedMs = nowMs();
let due = 0;
const timer = setInterval(() => {
  const wanted = ((nowMs() - startedMs) * Number(rate)) / 1000;
  // Of a time in which this process did not run, at most a tenth of a second is made up for.
  due = Math.max(due, wanted - Number(rate) / 10);
  for (; due < wanted; due++) begin();
}, 5);
process.on('SIGTERM', () => {
  stopped = true;
  clearInterval(timer);
  if (underWay === 0) finish();
});
console.log('running');
