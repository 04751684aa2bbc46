/**
 * Requests at a fixed rate, whatever becomes of those before (an open loop): a service that slows down is not spared, as its callers in real life do not know. HTTP/1.1 by kept-alive
 * connections to a sidecar on this machine.
 */
import { Agent, request } from 'node:http';

export interface Sent {
  /** From the beginning of the load. */
  readonly atMs: number;
  readonly tookMs: number;
  /** 0: no answer. */
  readonly status: number;
}

export interface OpenLoop {
  readonly port: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Resolves when the last request has ended. */
export async function openLoop(load: OpenLoop): Promise<readonly Sent[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4096 });
  const beganMs = performance.now();
  const total = Math.round(load.perSecond * load.seconds);
  const answers: Promise<Sent>[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(total, Math.floor(((performance.now() - beganMs) / 1000) * load.perSecond));
      while (answers.length < due) answers.push(send(agent, load, beganMs));
      if (answers.length < total) return;
      clearInterval(timer);
      resolve();
    }, 2);
  });
  const sent = await Promise.all(answers);
  agent.destroy();
  return sent;
}

function send(agent: Agent, load: OpenLoop, beganMs: number): Promise<Sent> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    const end = (status: number): void =>
      resolve({ atMs: startMs - beganMs, tookMs: performance.now() - startMs, status });
    const headers = load.host === undefined ? load.headers : { host: load.host, ...load.headers };
    const call = request(
      { agent, host: '127.0.0.1', port: load.port, path: load.path ?? '/', method: load.method ?? 'GET', headers },
      (response) => {
        response.resume();
        response.on('end', () => end(response.statusCode ?? 0));
        response.on('error', () => end(0));
      },
    );
    call.on('error', () => end(0));
    call.end();
  });
}

export const isGood = ({ status }: Sent): boolean => status >= 200 && status < 300;

/** The latency, in ms, below which `share` of the requests are; NaN: there are none. */
export function latencyMs(sent: readonly Sent[], share: number): number {
  const sorted = sent.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}
