/** HTTP/1.1 load by autocannon, where wrk or h2load is missing. It costs more CPU than what it measures, which the report says. */
import { createRequire } from 'node:module';
import { runTool } from '../measure/tool-run.ts';
import { type LoadResult, noLatencies } from './load-result.ts';
import type { Http1Load } from './wrk.ts';

/** `rate`: requests per second over all connections; 0 for as many as possible. */
export async function runAutocannon(load: Http1Load, rate: number): Promise<LoadResult> {
  const program = createRequire(import.meta.url).resolve('autocannon');
  const body = load.bodyBytes > 0 ? ['-b', 'a'.repeat(Math.min(load.bodyBytes, 100_000))] : [];
  const rateWords = rate > 0 ? ['-R', String(rate)] : [];
  const words = [
    '-c',
    String(load.connections),
    '-d',
    String(Math.max(1, Math.round(load.seconds))),
    '-m',
    load.method,
    '--json',
    ...body,
    ...rateWords,
    load.url,
  ];
  const output = await runTool('autocannon', [process.execPath, program, ...words], load.seconds * 1000 + 30_000);
  const text = output.split('\n').find((line) => line.startsWith('{'));
  if (text === undefined) throw new Error(`autocannon printed no report: ${output.slice(-500)}`);
  const report = JSON.parse(text) as {
    requests: { total: number };
    duration: number;
    errors: number;
    timeouts: number;
    non2xx: number;
    latency: Record<string, number>;
  };
  const failures = report.errors + report.timeouts + report.non2xx;
  return {
    requests: report.requests.total,
    failures,
    failureText:
      failures > 0
        ? `${report.errors} errors, ${report.timeouts} timeouts, ${report.non2xx} answers that were not 2xx`
        : '',
    seconds: report.duration,
    tool: 'autocannon',
    latenciesMicros: rate > 0 ? fromPercentiles(report.latency) : noLatencies,
  };
}

/** A thousand latencies with autocannon's percentiles, so that what reads them need not know where they come from. */
function fromPercentiles(latency: Record<string, number>): Float64Array {
  const known = [50, 90, 99, 99.9, 100].map((percent) => ({
    percent,
    micros: (percent === 100 ? (latency['max'] ?? 0) : (latency[`p${percent}`.replace('.', '_')] ?? 0)) * 1000,
  }));
  return Float64Array.from(
    { length: 1000 },
    (_, index) => known.find((point) => point.percent > index / 10)?.micros ?? 0,
  );
}
