/** A process of the built program, started for a test: its output, its end, and helpers to wait for what it does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = join(import.meta.dirname, '../../bin/outrigger');

/** Nothing of the user's own mesh: neither its data nor its ports. Tests of the TLS door name it. */
const state = mkdtempSync(join(tmpdir(), 'outrigger-state-'));
process.once('exit', () => rmSync(state, { recursive: true, force: true }));
/** Most of what a process of a test does is to load its program: Node keeps what it compiled. */
const compiled = join(import.meta.dirname, '../../node_modules/.outrigger/compiled');
const apart = { XDG_STATE_HOME: state, OUTRIGGER_LISTEN_TLS: 'off', NODE_COMPILE_CACHE: compiled };

export class StartedProcess {
  readonly child: ChildProcess;
  output = '';
  readonly exited: Promise<number>;

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    this.child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...apart, ...environment },
    });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.exited = new Promise((resolve) => this.child.once('close', (code) => resolve(code ?? -1)));
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.child.kill(signal);
    return this.exited;
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export function call(
  port: number,
  path: string,
  options: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options;
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Asks again, every few milliseconds, until the answer is the wanted one; rejects with the last answer after 15 s. */
export async function eventually(description: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    if (await condition().catch(() => false)) return;
    if (performance.now() > deadline) throw new Error(`it did not happen within 15 s: ${description}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Below the ports that the system itself gives to servers and to outgoing connections (Linux: from 32768 on), which could be there before the program that is told its port. */
const lowestPort = 20_000;
/** So many for each process that runs test files: they run beside each other. */
const portsOfOne = 3_000;
const firstOfOurs = lowestPort + (Number(process.env['VITEST_POOL_ID'] ?? 0) % 4) * portsOfOne;
/** Anywhere: another checkout's tests may run on this machine too. */
let nextPort = Math.floor(Math.random() * portsOfOne);

/** A port that was free a moment ago, each time another; for programs that are told theirs. */
export async function unusedPort(): Promise<number> {
  for (;;) {
    const port = firstOfOurs + (nextPort++ % portsOfOne);
    if (await canListen(port)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
