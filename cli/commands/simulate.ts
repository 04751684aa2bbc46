/** `outrigger simulate`: plays a described fleet under policies, on virtual time, and says what came of it. */
import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { faultText } from '../../control-plane/source/fault.ts';
import { parseDuration } from '../parse-duration.ts';
import type { OutputFormat } from '../print-data.ts';
import { readUserFile } from '../read-file.ts';
import { resultText } from '../simulate/result-tables.ts';
import { runSimulation } from '../simulate/run-simulation.ts';
import { readSimulation } from '../simulate/simulation-file.ts';
import type { SimulationResult } from '../simulate/simulation-result.ts';
import { htmlChart, svgChart } from '../simulate/svg-chart.ts';
import { UserError } from '../user-error.ts';

export interface SimulateOptions {
  readonly output: OutputFormat;
  readonly seed?: string;
  readonly duration?: string;
  readonly chart?: string;
}

/** Exit code 1 when the file has a fault. */
export async function simulate(file: string, options: SimulateOptions, nowMs: () => number): Promise<number> {
  const { chart } = options;
  if (chart !== undefined && !/\.(?:svg|html)$/.test(chart))
    throw new UserError(`--chart: ${JSON.stringify(chart)} is neither .svg nor .html`, 2);
  const instead = {
    ...(options.seed === undefined ? {} : { seed: seedOf(options.seed) }),
    ...(options.duration === undefined
      ? {}
      : { durationMs: parseDuration('--duration', options.duration, 1_000, 86_400_000) }),
  };
  const read = readSimulation(file, readUserFile(file), readUserFile, instead);
  if ('faults' in read) {
    for (const fault of read.faults) process.stderr.write(`outrigger: ${faultText(fault)}\n`);
    return 1;
  }
  for (const warning of read.warnings) process.stderr.write(`outrigger: ${faultText(warning)} (warning)\n`);
  const startMs = nowMs();
  const result = await runSimulation(read.simulation, (warning) =>
    process.stderr.write(`outrigger: ${warning} (warning)\n`),
  );
  const tookMs = nowMs() - startMs;
  process.stdout.write(printed(result, options.output));
  if (chart !== undefined) writeChart(chart, result);
  process.stderr.write(
    `took ${(tookMs / 1000).toFixed(1)} s${chart === undefined ? '' : `; the chart is in ${chart}`}\n`,
  );
  return 0;
}

function printed(result: SimulationResult, format: OutputFormat): string {
  if (format === 'json') return `${JSON.stringify(result, null, 2)}\n`;
  return format === 'yaml' ? stringify(result) : resultText(result);
}

function writeChart(file: string, result: SimulationResult): void {
  try {
    writeFileSync(file, file.endsWith('.svg') ? svgChart(result) : htmlChart(result));
  } catch (error) {
    throw new UserError(`--chart: ${file} cannot be written: ${(error as Error).message}`);
  }
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (!/^[0-9]{1,10}$/.test(text) || seed > 2 ** 31 - 1)
    throw new UserError(`--seed: ${JSON.stringify(text)} is not a whole number from 0 to 2147483647`, 2);
  return seed;
}
