/** `outrigger top`: live figures by route or by edge, again and again on a terminal, once elsewhere. */
import { stringify } from 'yaml';
import { parseHostPort, parseWhole } from '../host-port.ts';
import { byRate, edgeColumns, type LiveFigures, nothingText, routeColumns, silentText } from '../live/edge-table.ts';
import { liveJson, livePath } from '../live/live-json.ts';
import { parseDuration } from '../parse-duration.ts';
import { dataText, type OutputFormat } from '../print-data.ts';

export interface TopOptions {
  readonly controlPlaneAdmin: string;
  readonly edges?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly window: string;
  readonly every: string;
  readonly count?: string;
  readonly output: OutputFormat;
}

export interface TopScreen {
  readonly isTerminal: boolean;
  /** Undefined: as many as there are. */
  readonly rows: number | undefined;
  write(text: string): void;
  wait(ms: number): Promise<void>;
}

const realScreen: TopScreen = {
  isTerminal: process.stdout.isTTY === true,
  get rows() {
    return process.stdout.isTTY === true ? process.stdout.rows : undefined;
  },
  write: (text) => void process.stdout.write(text),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

export async function top(options: TopOptions, screen: TopScreen = realScreen): Promise<void> {
  const address = parseHostPort('--control-plane-admin', options.controlPlaneAdmin);
  const everyMs = parseDuration('--every', options.every, 1_000, 3_600_000);
  const given = options.count === undefined ? undefined : parseWhole('--count', options.count, 1, 1_000_000);
  const count = given ?? (screen.isTerminal && options.output === 'table' ? Infinity : 1);
  const { window, from: source, to: destination } = options;
  const path = livePath(`/api/v1/${options.edges === true ? 'edges' : 'routes-live'}`, { window, source, destination });
  for (let i = 0; i < count; i++) {
    if (i > 0) await screen.wait(everyMs);
    const { body } = await liveJson(address, path);
    screen.write(lookText(body as LiveFigures, options, screen, i, count));
  }
}

function lookText(
  figures: LiveFigures,
  { output, edges = false }: TopOptions,
  { isTerminal, rows }: TopScreen,
  look: number,
  count: number,
): string {
  const found = byRate((edges ? figures.edges : figures.routes) ?? []);
  if (output === 'json') return `${JSON.stringify(found)}\n`;
  if (output === 'yaml') return `---\n${stringify(found)}`;
  const silent = silentText(figures);
  const foot = silent === '' ? '' : `${silent}\n`;
  if (found.length === 0) return `${clear(isTerminal && count > 1, look)}${nothingText(figures)}\n${foot}`;
  const again = isTerminal && count > 1;
  const head = again
    ? `${figures.at.slice(11, 19)}   the last ${figures.windowSeconds} s, of ${figures.proxies} sidecars   Ctrl-C ends\n\n`
    : '';
  const room = again && rows !== undefined ? Math.max(1, rows - 5 - (silent === '' ? 0 : 1)) : found.length;
  const more = found.length > room ? `… and ${found.length - room} more\n` : '';
  return `${clear(again, look)}${head}${dataText(found.slice(0, room), edges ? edgeColumns : routeColumns, 'table')}${more}${foot}`;
}

function clear(again: boolean, look: number): string {
  return again ? '\x1b[H\x1b[2J' : look === 0 ? '' : '\n';
}
