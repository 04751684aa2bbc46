/** `outrigger tap`: requests as they end, of all sidecars, by a filter. Secrets are masked by the sidecars before anything leaves them. */
import { Buffer } from 'node:buffer';
import { responseFlags } from '../../sidecar/codec/response-flag.ts';
import { anyRequest, filterFault } from '../../sidecar/recorder/request-filter.ts';
import { escapeControls } from '../../sidecar/runtime/log.ts';
import { parseHostPort, parseWhole } from '../host-port.ts';
import { liveLines, livePath } from '../live/live-json.ts';
import { UserError } from '../user-error.ts';

export interface TapOptions {
  readonly controlPlaneAdmin: string;
  readonly dataDir?: string;
  readonly from?: string;
  readonly to?: string;
  readonly route?: string;
  readonly method?: string;
  readonly path?: string;
  readonly status?: string;
  readonly flagged?: string;
  readonly errors?: boolean;
  readonly minDuration?: string;
  readonly header?: readonly string[];
  readonly side?: string;
  readonly limit?: string;
  readonly headers?: boolean;
  readonly bodies?: string;
  readonly output: 'table' | 'json';
}

type Line = Readonly<Record<string, unknown>>;

const printable = /^[\t\n\r\x20-\x7e\u00a0-\u{10ffff}]*$/u;

export async function tap(options: TapOptions): Promise<void> {
  const address = parseHostPort('--control-plane-admin', options.controlPlaneAdmin);
  const limit = options.limit === undefined ? undefined : parseWhole('--limit', options.limit, 1, 100_000);
  const bodies = options.bodies === undefined ? undefined : parseWhole('--bodies', options.bodies, 1, 65_536);
  if (options.side !== undefined && options.side !== 'in' && options.side !== 'out')
    throw new UserError(`--side: ${JSON.stringify(options.side)} is neither in nor out`, 2);
  const wrongStatus = filterFault({ ...anyRequest, status: options.status ?? '' });
  if (wrongStatus !== '') throw new UserError(`--${wrongStatus}`, 2);
  if (options.flagged !== undefined && !Object.hasOwn(responseFlags, options.flagged))
    throw new UserError(
      `--flagged: ${JSON.stringify(options.flagged)} is no response flag; there are ${Object.keys(responseFlags).join(', ')}`,
      2,
    );
  const path = livePath('/api/v1/tap', {
    source: options.from,
    destination: options.to,
    route: options.route,
    method: options.method?.toUpperCase(),
    pathPrefix: options.path,
    status: options.status,
    flag: options.flagged,
    errors: options.errors === true ? '1' : undefined,
    minDuration: options.minDuration,
    header: options.header,
    direction: options.side === undefined ? undefined : `${options.side}bound`,
    limit: String(limit ?? 100_000),
    headers: options.headers === true ? '1' : undefined,
    bodyBytes: bodies === undefined ? undefined : String(bodies),
  });
  await liveLines(address, path, options.dataDir, (line) => {
    const { dropped, fault, note } = line;
    if (typeof fault === 'string') throw new UserError(fault);
    if (typeof note === 'string') {
      process.stderr.write(`outrigger: ${escapeControls(note)}\n`);
      return true;
    }
    if (typeof dropped === 'number')
      process.stderr.write(`outrigger: ${dropped} requests are not shown: they came faster than they could be sent\n`);
    else process.stdout.write(options.output === 'json' ? `${JSON.stringify(line)}\n` : recordText(line));
    return true;
  });
}

/** `12:03:41.512  storefront → orders  out  GET /buy/42  200  1.2 ms  id`, and what else was asked for below it. */
export function recordText(record: Line): string {
  const text = (name: string): string => (typeof record[name] === 'string' ? record[name] : '');
  const short = (name: string): string => text(name).split('/').at(-1) || 'unknown';
  const grpc = text('grpcStatus') === '' || text('grpcStatus') === '0' ? '' : ` gRPC ${text('grpcStatus')}`;
  const flags = text('flags') === '' ? '' : ` ${text('flags')}`;
  const rule = text('flags') === '' || text('rule') === '' ? '' : `  by ${text('rule')}`;
  const head = [
    text('started').slice(11, 23).replace('Z', '').padEnd(12),
    `${short('source')} → ${short('destination')}`,
    text('direction') === 'inbound' ? 'in ' : 'out',
    `${text('method')} ${text('path')}`,
    `${Number(record['status'] ?? 0)}${grpc}${flags}`,
    durationText(text('duration')),
    text('requestId'),
  ].join('  ');
  const lines = [`${head}${rule}`];
  for (const [name, sign] of [
    ['requestHeaders', '>'],
    ['responseHeaders', '<'],
  ] as const)
    for (const [field, value] of Object.entries((record[name] ?? {}) as Record<string, string>))
      lines.push(`    ${sign} ${field}: ${value}`);
  for (const [name, sign] of [
    ['requestBody', '>'],
    ['responseBody', '<'],
  ] as const)
    if (text(name) !== '') lines.push(`    ${sign}${sign} ${bodyText(text(name))}`);
  return `${lines.map(escapeControls).join('\n')}\n`;
}

/** Protobuf's `0.005200s`. */
function durationText(text: string): string {
  const ms = Number(text.replace(/s$/, '')) * 1_000;
  if (!Number.isFinite(ms)) return '';
  return ms >= 1_000 ? `${(ms / 1_000).toFixed(2)} s` : `${ms >= 100 ? ms.toFixed(0) : ms.toFixed(1)} ms`;
}

function bodyText(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  const text = bytes.toString('utf8');
  return printable.test(text) && !text.includes('\ufffd')
    ? JSON.stringify(text)
    : `${bytes.length} bytes: ${bytes.toString('hex').slice(0, 128)}`;
}
