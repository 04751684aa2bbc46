/** The command line of `npm run bench`. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Timing } from './measure/run-scenario.ts';
import type { PeerId } from './proxy.ts';

export interface BenchOptions {
  readonly quick: boolean;
  /** In the order of the report. */
  readonly peers: readonly PeerId[];
  /** Empty: all that the mode takes. */
  readonly scenarios: readonly string[];
  readonly outFolder: string;
  readonly timing: Timing;
  readonly starts: number;
}

export const allPeers: readonly PeerId[] = ['outrigger', 'envoy', 'nginx', 'haproxy'];

export const usage = `npm run bench -- [options]
  --quick               a first look within two minutes: the main scenarios, short windows
  --peers A,B           of ${allPeers.join(', ')}; all by default
  --scenarios A,B       by name, as the report lists them; "start" is ready time and idle memory; all by default,
                        but for intercepted-http1 and intercepted-connections, which are run apart, as root
  --rounds N            turns of each peer (3)
  --window SECONDS      length of a turn in whole seconds (4; quick: 1)
  --out DIR             where report.md, report.json and chart.svg go (bench/results)
  --help`;

/** A mistake of the user's; the message is all they need. */
export class UsageError extends Error {}

export function readOptions(args: readonly string[], scenarioIds: readonly string[]): BenchOptions | 'help' {
  const { values } = parse(args);
  if (values.help === true) return 'help';
  const quick = values.quick === true;
  const peers = list(values.peers, allPeers, 'peer') as PeerId[];
  return {
    quick,
    peers: peers.length === 0 ? allPeers : allPeers.filter((peer) => peers.includes(peer)),
    scenarios: list(values.scenarios, [...scenarioIds, 'start'], 'scenario'),
    outFolder: values.out ?? join(dirname(fileURLToPath(import.meta.url)), 'results'),
    timing: {
      warmUpSeconds: quick ? 1 : 3,
      windowSeconds: positive(values.window, quick ? 1 : 4, '--window'),
      rounds: positive(values.rounds, 3, '--rounds'),
    },
    starts: quick ? 1 : 5,
  };
}

function parse(args: readonly string[]): ReturnType<typeof parseStrictly> {
  try {
    return parseStrictly(args);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseStrictly(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' },
      peers: { type: 'string' },
      scenarios: { type: 'string' },
      rounds: { type: 'string' },
      window: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
}

function list(text: string | undefined, known: readonly string[], what: string): string[] {
  if (text === undefined) return [];
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new UsageError(`no ${what} ${unknown.join(', ')}; there are ${known.join(', ')}`);
  return names;
}

function positive(text: string | undefined, byDefault: number, flag: string): number {
  if (text === undefined) return byDefault;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new UsageError(`${flag}: ${JSON.stringify(text)} is not a whole number above 0`);
  return number;
}
