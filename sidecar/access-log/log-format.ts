/** Envoy's command operators (`%REQ(:METHOD)%`), compiled. Unknown ones are a fault of the configuration. */
import type { LogRecord } from './log-record.ts';

type Piece = (record: LogRecord) => string;

const missing = '-';

const simple: Readonly<Record<string, Piece>> = {
  START_TIME: (record) => new Date(record.startWallMs).toISOString(),
  PROTOCOL: (record) => (record.version === '' ? missing : `HTTP/${record.version}`),
  RESPONSE_CODE: (record) => String(record.status),
  RESPONSE_CODE_DETAILS: (record) => record.details || missing,
  RESPONSE_FLAGS: (record) => record.flag || missing,
  BYTES_RECEIVED: (record) => String(record.bytesReceived),
  BYTES_SENT: (record) => String(record.bytesSent),
  DURATION: (record) => String(Math.round(record.durationMs)),
  UPSTREAM_HOST: (record) => record.upstreamHost || missing,
  UPSTREAM_CLUSTER: (record) => record.clusterName || missing,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (record) => String(record.attempts),
  ROUTE_NAME: (record) => record.routeName || missing,
  DOWNSTREAM_REMOTE_ADDRESS: (record) => record.remoteAddress,
  DOWNSTREAM_LOCAL_ADDRESS: (record) => record.localAddress,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (record) => record.remoteAddress.slice(0, record.remoteAddress.lastIndexOf(':')),
  GRPC_STATUS_NUMBER: (record) => record.grpcStatus || missing,
  GRPC_STATUS: (record) => record.grpcStatus || missing,
};

/** Compiles a format. Throws an Error that names the operator that is not supported. */
export function compileLogFormat(format: string): Piece {
  const pieces: Piece[] = [];
  const pattern = /%([A-Z_]+)(?:\(([^)]*)\))?(?::(\d+))?%|%%/g;
  let at = 0;
  for (const match of format.matchAll(pattern)) {
    literal(pieces, format.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[0] === '%%') pieces.push(() => '%');
    else pieces.push(limited(operator(match[1]!, match[2]), match[3]));
  }
  literal(pieces, format.slice(at));
  return (record) => {
    let text = '';
    for (const piece of pieces) text += piece(record);
    return text;
  };
}

function literal(pieces: Piece[], text: string): void {
  if (text.includes('%')) throw new Error(`${JSON.stringify(text)} has a command operator that is not supported`);
  if (text !== '') pieces.push(() => text);
}

function limited(piece: Piece, length: string | undefined): Piece {
  return length === undefined ? piece : (record) => piece(record).slice(0, Number(length));
}

function operator(name: string, argument: string | undefined): Piece {
  if (name === 'REQ' && argument !== undefined) {
    const [first = '', second] = argument.toLowerCase().split('?');
    return (record) => requestHeader(record, first) ?? (second === undefined ? undefined : requestHeader(record, second)) ?? missing;
  }
  if (name === 'RESP' && argument?.toLowerCase() === 'x-envoy-upstream-service-time') {
    return (record) => (record.upstreamServiceTimeMs < 0 ? missing : String(record.upstreamServiceTimeMs));
  }
  const found = argument === undefined || name === 'START_TIME' ? simple[name] : undefined;
  if (found === undefined || (name === 'START_TIME' && argument !== undefined)) throw new Error(`%${name}${argument === undefined ? '' : `(${argument})`}% is not supported`);
  return found;
}

function requestHeader(record: LogRecord, name: string): string | undefined {
  const { head } = record;
  if (head === undefined) return undefined;
  switch (name) {
    case ':method':
      return head.method;
    case ':path':
    case 'x-envoy-original-path':
      return record.originalPath;
    case ':authority':
      return head.authority;
    case ':scheme':
      return head.scheme;
    default:
      return head.fields.get(name);
  }
}
