/** HTTP/1.1 load by wrk: as many requests as the connections can carry. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peerPath } from '../../test/peers/peer-path.ts';
import { runTool } from '../measure/tool-run.ts';
import { type LoadResult, noLatencies } from './load-result.ts';

export interface Http1Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly method: 'GET' | 'POST';
  /** More of each request, as `connection: close`. Absent: none. */
  readonly headers?: readonly string[];
  /** Of each request. */
  readonly bodyBytes: number;
  /** Of each answer; an answer with less is a failure. */
  readonly answerBytes: number;
}

const script = join(dirname(fileURLToPath(import.meta.url)), 'wrk-report.lua');

export function hasWrk(): boolean {
  return peerPath('wrk') !== null;
}

export async function runWrk(load: Http1Load): Promise<LoadResult> {
  const output = await runTool(
    'wrk',
    [
      peerPath('wrk')!,
      '-t',
      '1',
      '-c',
      String(load.connections),
      '-d',
      String(load.seconds),
      '--timeout',
      '10',
      ...(load.headers ?? []).flatMap((header) => ['-H', header]),
      '-s',
      script,
      load.url,
      '--',
      load.method,
      String(load.bodyBytes),
    ],
    load.seconds * 1000 + 30_000,
  );
  const line = /^REPORT (.*)$/m.exec(output);
  if (line === null) throw new Error(`wrk printed no report: ${output.slice(-500)}`);
  const report = JSON.parse(line[1]!) as Record<
    'requests' | 'micros' | 'bytes' | 'connect' | 'read' | 'write' | 'status' | 'timeout',
    number
  >;
  const kinds = (['connect', 'read', 'write', 'status', 'timeout'] as const).filter((kind) => report[kind] > 0);
  const short = report.bytes < report.requests * load.answerBytes;
  return {
    requests: report.requests,
    failures: kinds.reduce((sum, kind) => sum + report[kind], 0) + (short ? 1 : 0),
    failureText: [
      ...kinds.map((kind) => `${report[kind]} ${kind} errors`),
      ...(short ? ['answers were shorter than they should be'] : []),
    ].join(', '),
    seconds: report.micros / 1e6,
    tool: 'wrk',
    latenciesMicros: noLatencies,
  };
}
