/** HTTP/1.1 and HTTP/2 load by h2load: at saturation, or at a fixed rate with every request's latency. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peerPath } from '../../test/peers/peer-path.ts';
import { runTool } from '../measure/tool-run.ts';
import { type LoadResult, noLatencies } from './load-result.ts';

export interface H2Load {
  readonly url: string;
  readonly protocol: 'http1' | 'http2';
  readonly connections: number;
  /** Streams at a time on each connection. */
  readonly streams: number;
  readonly seconds: number;
  /** Requests per second over all connections; 0 for as many as possible. */
  readonly rate: number;
  readonly bodyFile: string | null;
  readonly headers: readonly string[];
  /** Of each answer; an answer with less is a failure. This is how a gRPC error, which is a 200, is found out. */
  readonly answerBytes: number;
}

export function hasH2load(): boolean {
  return peerPath('h2load') !== null;
}

/** At a fixed rate the first second, in which connections open, does not count as latency. */
const discardedMicros = 1_000_000;

export async function runH2load(load: H2Load): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-h2load-'));
  const logFile = join(folder, 'requests');
  const command = [
    peerPath('h2load')!,
    '-c',
    String(load.connections),
    '-m',
    String(load.streams),
    '-t',
    '1',
    '-D',
    String(load.seconds),
  ];
  if (load.protocol === 'http1') command.push('--h1');
  if (load.rate > 0) command.push('--rps', String(load.rate / load.connections), '--log-file', logFile);
  if (load.bodyFile !== null) command.push('-d', load.bodyFile);
  for (const header of load.headers) command.push('-H', header);
  try {
    const output = await runTool('h2load', [...command, load.url], load.seconds * 1000 + 30_000);
    return readReport(output, load, load.rate > 0 ? readLog(readFileSync(logFile, 'latin1')) : noLatencies);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(output: string, load: H2Load, latenciesMicros: Float64Array): LoadResult {
  const counts =
    /requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(
      output,
    );
  const statuses = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(output);
  const dataBytes = /\((\d+)\) data/.exec(output);
  const seconds = /finished in ([\d.]+)(s|ms|us)/.exec(output);
  if (counts === null || statuses === null || dataBytes === null || seconds === null)
    throw new Error(`h2load printed no report: ${output.slice(-500)}`);
  const done = Number(counts[1]);
  const bad = Number(statuses[2]) + Number(statuses[3]) + Number(statuses[4]);
  const lost = Number(counts[4]) + Number(counts[5]);
  // Answers still coming at the end have a status but are not done.
  const short = Number(dataBytes[1]) < done * load.answerBytes;
  const words: string[] = [];
  if (bad > 0) words.push(`${bad} answers were not 2xx`);
  if (lost > 0) words.push(`${lost} requests had no answer`);
  if (done === 0) words.push('no request was answered');
  if (short) words.push('answers were shorter than they should be');
  return {
    requests: done,
    failures: words.length === 0 ? 0 : Math.max(1, bad + lost),
    failureText: words.join(', '),
    seconds: load.seconds,
    tool: 'h2load',
    latenciesMicros,
  };
}

/** Lines of `start (µs since the epoch) TAB status TAB latency (µs)`. */
function readLog(text: string): Float64Array {
  const starts: number[] = [];
  const latencies: number[] = [];
  for (const line of text.split('\n')) {
    const [start, , latency] = line.split('\t');
    if (latency === undefined) continue;
    starts.push(Number(start));
    latencies.push(Number(latency));
  }
  const first = starts.reduce((least, start) => Math.min(least, start), Number.POSITIVE_INFINITY);
  return Float64Array.from(latencies.filter((_, index) => starts[index]! - first > discardedMicros));
}
