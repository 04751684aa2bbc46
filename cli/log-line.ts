/** Lines that our programs write as JSON, in plain words: log lines, and access log lines of requests. Everything else stays what it is, without control characters. */
import { escapeControls } from '../sidecar/runtime/log.ts';

/** More of a line helps nobody who reads along. */
const maxChars = 1_000;

/** `12:03:41.512 warn  message`; `source`, when there is one, stands before the message. */
export function readableLine(line: string, source = ''): string {
  const from = source === '' ? '' : `${source}: `;
  const fields = parse(line);
  let text: string;
  if (fields === null) text = `${from}${line.replace(/^outrigger: /, '')}`;
  else if (typeof fields['message'] === 'string') text = logText(fields, from);
  else if (typeof fields['start_time'] === 'string') text = requestText(fields, from);
  else text = `${from}${line}`;
  const safe = escapeControls(text);
  return safe.length > maxChars ? `${safe.slice(0, maxChars - 1)}…` : safe;
}

type Fields = Readonly<Record<string, unknown>>;

/** Who and what failed in which way: equal for requests that fail alike; null: not a request. */
export function requestKey(line: string): string | null {
  const fields = parse(line);
  return fields !== null && typeof fields['start_time'] === 'string'
    ? ['listener', 'authority', 'status', 'flags', 'grpc_status'].map((name) => word(fields, name)).join(' ')
    : null;
}

function parse(line: string): Fields | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as Fields;
  } catch {
    return null;
  }
}

function logText(fields: Fields, from: string): string {
  const { time, level: _, message, ...others } = fields;
  const rest = Object.entries(others).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  return `${clock(time)}${word(fields, 'level').padEnd(5)} ${from}${String(message)}${rest.join('')}`;
}

/** `12:03:41.512 orders, out: POST payments.shop/Charge → 503 UF connection refused, 5.2 ms, request 5f0c…` */
function requestText(fields: Fields, from: string): string {
  const ways: Readonly<Record<string, string>> = { inbound: 'in', outbound: 'out' };
  const way = ways[word(fields, 'listener')];
  const who = way === undefined ? from : from.replace(/: $/, `, ${way}: `);
  const grpc = Number(fields['grpc_status'] ?? 0) > 0 ? [`gRPC status ${word(fields, 'grpc_status')}`] : [];
  // Every answer of gRPC's has the status 200, and most come from the other side.
  const status = grpc.length > 0 && fields['status'] === 200 ? '' : word(fields, 'status');
  const how = [status, ...grpc, word(fields, 'flags'), word(fields, 'details')].filter(
    (each) => each !== '' && each !== 'via_upstream',
  );
  const took = typeof fields['duration_ms'] === 'number' ? `, ${fields['duration_ms'].toFixed(1)} ms` : '';
  const id = word(fields, 'request_id');
  return `${clock(fields['start_time'])}${who}${word(fields, 'method')} ${word(fields, 'authority')}${word(fields, 'path')} → ${how.join(' ')}${took}${id === '' ? '' : `, request ${id}`}`;
}

function word(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function clock(time: unknown): string {
  return typeof time === 'string' && time.length >= 23 ? `${time.slice(11, 23)} ` : '';
}
