/**
 * Envoy's command operators (`%REQ(:METHOD)%`), compiled once. Unknown ones are a fault of the configuration. A value that is absent is `-` in text and null in JSON;
 * a JSON field that is one operator keeps its number (Envoy).
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import { jsonText, quoteJson } from './escape.ts';
import type { LogRecord } from './log-record.ts';
import { metadataAt } from './logged-metadata.ts';

/** An object: JSON, which stands in a JSON line as it is. */
type Value = string | number | boolean | null | { readonly json: string };
type Piece = (record: LogRecord) => Value;

export interface CompiledLogFormat {
  /** Not escaped. */
  text(record: LogRecord): string;
  /** As a JSON value. */
  json(record: LogRecord): string;
}

const orAbsent = (text: string): string | null => (text === '' ? null : text);

const simple: ReadonlyMap<string, Piece> = new Map<string, Piece>([
  ['PROTOCOL', (record) => orAbsent(record.protocol)],
  ['RESPONSE_CODE', (record) => record.status],
  ['RESPONSE_CODE_DETAILS', (record) => orAbsent(record.details)],
  ['RESPONSE_FLAGS', (record) => orAbsent(record.flag)],
  ['BYTES_RECEIVED', (record) => record.bytesReceived],
  ['BYTES_SENT', (record) => record.bytesSent],
  ['DURATION', (record) => Math.round(record.durationMs)],
  ['UPSTREAM_HOST', (record) => orAbsent(record.upstreamHost)],
  ['UPSTREAM_REMOTE_ADDRESS', (record) => orAbsent(record.upstreamHost)],
  ['UPSTREAM_CLUSTER', (record) => orAbsent(record.clusterName)],
  ['UPSTREAM_REQUEST_ATTEMPT_COUNT', (record) => record.attempts],
  ['ROUTE_NAME', (record) => orAbsent(record.routeName)],
  ['DOWNSTREAM_REMOTE_ADDRESS', (record) => record.remoteAddress],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS', (record) => record.remoteAddress],
  ['DOWNSTREAM_LOCAL_ADDRESS', (record) => record.localAddress],
  ['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', (record) => withoutPort(record.remoteAddress)],
  ['DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', (record) => withoutPort(record.remoteAddress)],
  ['DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', (record) => withoutPort(record.localAddress)],
  ['DOWNSTREAM_LOCAL_PORT', (record) => Number(record.localAddress.slice(record.localAddress.lastIndexOf(':') + 1))],
  ['DOWNSTREAM_PEER_URI_SAN', (record) => orAbsent(record.peerUri)],
  ['DOWNSTREAM_LOCAL_URI_SAN', (record) => orAbsent(record.localUri)],
  ['DOWNSTREAM_TLS_VERSION', (record) => orAbsent(record.tlsVersion)],
  ['GRPC_STATUS_NUMBER', (record) => (record.grpcStatus === '' ? null : Number(record.grpcStatus))],
  ['GRPC_STATUS', (record) => grpcStatusNames[Number(record.grpcStatus === '' ? -1 : record.grpcStatus)] ?? null],
  ['STREAM_ID', (record) => orAbsent(record.requestId)],
]);

const grpcStatusNames = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

/** Compiles a format; the configuration layer calls it to check one. Throws an Error that names the operator that is not supported. */
export function compileLogFormat(format: string): CompiledLogFormat {
  const pieces: Piece[] = [];
  const pattern = /%([A-Z_0-9]+)(?:\(([^)]*)\))?(?::(\d+))?%|%%/g;
  let at = 0;
  for (const match of format.matchAll(pattern)) {
    literal(pieces, format.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[0] === '%%') pieces.push(() => '%');
    else pieces.push(limited(operator(match[1]!, match[2]), match[3]));
  }
  literal(pieces, format.slice(at));
  const only = pieces.length === 1 && format.length > 2 ? pieces[0]! : null;
  const text = (record: LogRecord): string => {
    let line = '';
    for (const piece of pieces) line += textOf(piece(record));
    return line;
  };
  const json = (record: LogRecord): string => {
    if (only === null) return quoteJson(text(record));
    const value = only(record);
    if (typeof value === 'string') return quoteJson(value);
    return value !== null && typeof value === 'object' ? value.json : String(value);
  };
  return { text, json };
}

function literal(pieces: Piece[], text: string): void {
  if (text.includes('%')) throw new Error(`${JSON.stringify(text)} has a command operator that is not supported`);
  if (text !== '') pieces.push(() => text);
}

function limited(piece: Piece, length: string | undefined): Piece {
  if (length === undefined) return piece;
  const most = Number(length);
  return (record) => {
    const value = piece(record);
    return value === null ? null : textOf(value).slice(0, most);
  };
}

function textOf(value: Value): string {
  if (value === null) return '-';
  return typeof value === 'object' ? value.json : String(value);
}

function operator(name: string, argument: string | undefined): Piece {
  if (name === 'START_TIME' && (argument === undefined || argument === ''))
    return (record) => new Date(record.startWallMs).toISOString();
  if (name === 'DYNAMIC_METADATA' && argument !== undefined) return metadataPiece(argument);
  if (argument !== undefined) {
    const [first = '', second] = argument.toLowerCase().split('?');
    switch (name) {
      case 'REQ':
        return (record) =>
          requestHeader(record, first) ?? (second === undefined ? null : requestHeader(record, second));
      case 'RESP':
        return (record) =>
          responseHeader(record, first) ?? (second === undefined ? null : responseHeader(record, second));
      case 'TRAILER':
        return (record) =>
          all(record.responseTrailers, first) ?? (second === undefined ? null : all(record.responseTrailers, second));
    }
  }
  const found = argument === undefined ? simple.get(name) : undefined;
  if (found === undefined)
    throw new Error(`%${name}${argument === undefined ? '' : `(${argument})`}% is not supported`);
  return found;
}

/** `namespace:key:key…`, as in Envoy. */
function metadataPiece(argument: string): Piece {
  const [namespace = '', ...keys] = argument.split(':');
  if (namespace === '' || keys.includes('')) throw new Error(`%DYNAMIC_METADATA(${argument})% is not supported`);
  return (record) => {
    const value = metadataAt(record, namespace, keys);
    if (value === null || value === undefined) return null;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
    return { json: jsonText(value) };
  };
}

function requestHeader(record: LogRecord, name: string): string | null {
  const { head } = record;
  if (head === null) return null;
  switch (name) {
    case ':method':
      return head.method;
    case ':path':
      return record.path;
    case 'x-envoy-original-path':
      // Only where the path was rewritten, as in Envoy: `%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%` is the usual form.
      return record.originalPath === record.path ? null : record.originalPath;
    case ':authority':
    case 'host':
      return head.authority === '' ? null : head.authority;
    case ':scheme':
      return head.scheme;
    default:
      return all(head.fields, name);
  }
}

function responseHeader(record: LogRecord, name: string): string | null {
  if (name === ':status') return String(record.status);
  return all(record.responseFields, name);
}

/** All values of a name as one list. */
function all(fields: HeaderFields | null, name: string): string | null {
  const values = fields?.getAll(name) ?? [];
  return values.length === 0 ? null : values.join(',');
}

function withoutPort(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':'));
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
