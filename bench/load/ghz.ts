/** gRPC load by ghz: a real gRPC client, which checks every status. It costs more CPU than what it measures, so it does not saturate the proxy. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peerPath } from '../../test/peers/peer-path.ts';
import { runTool } from '../measure/tool-run.ts';
import { type LoadResult, noLatencies } from './load-result.ts';

export interface GrpcLoad {
  readonly target: string;
  /** `package.Service/Method` of load/test-service.proto. */
  readonly call: string;
  readonly message: unknown;
  readonly concurrency: number;
  readonly connections: number;
  readonly seconds: number;
}

const protoFile = join(dirname(fileURLToPath(import.meta.url)), 'test-service.proto');

export function hasGhz(): boolean {
  return peerPath('ghz') !== null;
}

export async function runGhz(load: GrpcLoad): Promise<LoadResult> {
  const output = await runTool(
    'ghz',
    [
      peerPath('ghz')!,
      '--insecure',
      '--proto',
      protoFile,
      '--call',
      load.call,
      '-d',
      JSON.stringify(load.message),
      '-c',
      String(load.concurrency),
      '--connections',
      String(load.connections),
      '-z',
      `${load.seconds}s`,
      // Calls under way at the end are waited for: cut off, they would count as failed.
      '--duration-stop',
      'wait',
      '-O',
      'json',
      load.target,
    ],
    load.seconds * 1000 + 30_000,
  );
  const report = JSON.parse(output.slice(output.indexOf('{'))) as {
    count: number;
    total: number;
    statusCodeDistribution: Record<string, number>;
    errorDistribution?: Record<string, number>;
  };
  const good = report.statusCodeDistribution['OK'] ?? 0;
  return {
    requests: report.count,
    failures: report.count === 0 ? 1 : report.count - good,
    failureText: Object.entries(report.errorDistribution ?? {})
      .map(([text, count]) => `${count}: ${text}`)
      .join(', '),
    seconds: report.total / 1e9,
    tool: 'ghz',
    latenciesMicros: noLatencies,
  };
}
