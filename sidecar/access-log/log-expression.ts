/**
 * CEL expressions over what is known at the end of a request, under Envoy's names of attributes. What is not known of a record is not in them: asking for it is no match, and asking for what we never
 * have is refused when the configuration arrives. Maps, not objects: no name that somebody sends or writes reaches a prototype.
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import { compileExpression } from '../filters/rbac/condition.ts';
import { textOfBytes } from '../filters/rbac/text-match.ts';
import { grpcStatusOf } from './grpc-outcome.ts';
import { fieldBytes, requestHeadBytes, responseHeadBytes } from './header-values.ts';
import type { LogRecord } from './log-record.ts';

type Attributes = ReadonlyMap<string, unknown>;
type Value = string | bigint | boolean | Attributes | undefined;

const fields: Readonly<Record<string, Readonly<Record<string, (record: LogRecord) => Value>>>> = {
  request: {
    path: ({ head, path }) => (head === null ? undefined : textOfBytes(path)),
    url_path: ({ head, path }) => (head === null ? undefined : textOfBytes(path.split('?', 1)[0]!)),
    query: ({ head, path }) =>
      head === null ? undefined : textOfBytes(path.slice((path.split('?', 1)[0] ?? '').length + 1)),
    host: ({ head }) => head?.authority,
    scheme: ({ head }) => head?.scheme,
    method: ({ head }) => head?.method,
    headers: requestHeaders,
    referer: ({ head }) => head?.fields.get('referer'),
    useragent: ({ head }) => head?.fields.get('user-agent'),
    id: ({ requestId }) => requestId || undefined,
    protocol: ({ protocol }) => protocol || undefined,
    duration: ({ durationMs }) => BigInt(Math.floor(durationMs * 1_000_000)),
    size: ({ bytesReceived }) => BigInt(bytesReceived),
    total_size: (record) => BigInt(record.bytesReceived + requestHeadBytes(record)),
  },
  response: {
    code: ({ status }) => BigInt(status),
    code_details: ({ details }) => details || undefined,
    flags_short: ({ flag }) => flag,
    grpc_status: (record) => {
      const status = grpcStatusOf(record);
      return status < 0 ? undefined : BigInt(status);
    },
    headers: ({ responseFields }) => headerMap(responseFields),
    trailers: ({ responseTrailers }) => headerMap(responseTrailers),
    size: ({ bytesSent }) => BigInt(bytesSent),
    total_size: (record) => BigInt(record.bytesSent + responseHeadBytes(record) + fieldBytes(record.responseTrailers)),
  },
  source: {
    address: ({ info }) => info.remoteAddress,
    port: ({ info }) => portNumber(info.remoteAddress),
  },
  destination: {
    address: ({ info }) => info.localAddress,
    port: ({ info }) => portNumber(info.localAddress),
  },
  upstream: {
    address: ({ upstreamHost }) => upstreamHost || undefined,
    port: ({ upstreamHost }) => (upstreamHost === '' ? undefined : portNumber(upstreamHost)),
    request_attempt_count: ({ attempts }) => BigInt(attempts),
  },
  connection: {
    mtls: ({ info }) => info.peer !== null,
    requested_server_name: ({ info }) => info.serverName || undefined,
    tls_version: ({ info }) => info.tlsVersion || undefined,
    uri_san_local_certificate: ({ info }) => info.localUri || undefined,
    subject_peer_certificate: ({ info }) => info.peer?.subject || undefined,
    uri_san_peer_certificate: ({ info }) => info.peer?.uris[0],
    dns_san_peer_certificate: ({ info }) => info.peer?.dnsNames[0],
    sha256_peer_certificate_digest: ({ info }) => info.peer?.sha256 || undefined,
  },
  metadata: { filter_metadata: ({ metadata }) => metadata ?? new Map<string, unknown>() },
  xds: {
    cluster_name: ({ clusterName }) => clusterName || undefined,
    route_name: ({ routeName }) => routeName || undefined,
  },
};

const roots = Object.keys(fields);

/** Throws an Error with a reason when the expression cannot be evaluated here. */
export function compileLogExpression(text: string): (record: LogRecord) => boolean {
  return compileExpression(text, knowsAttribute, attributesOf);
}

function knowsAttribute(root: string, field: string | undefined): boolean {
  return Object.hasOwn(fields, root) && (field === undefined || Object.hasOwn(fields[root]!, field));
}

/** Each root is made when the expression asks for it. */
function attributesOf(record: LogRecord): Record<string, never> {
  const properties: PropertyDescriptorMap = {};
  for (const root of roots) properties[root] = { get: () => attributes(root, record) };
  // A property on the way to a value is looked up by names in the expression.
  return Object.create(null, properties) as Record<string, never>;
}

function attributes(root: string, record: LogRecord): Attributes {
  const found = new Map<string, unknown>();
  for (const [name, read] of Object.entries(fields[root]!)) {
    const value = read(record);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

function requestHeaders({ head, path }: LogRecord): Attributes | undefined {
  if (head === null) return undefined;
  const headers = headerMap(head.fields);
  headers.set('host', head.authority).set(':authority', head.authority).set(':method', head.method);
  return headers.set(':path', textOfBytes(path)).set(':scheme', head.scheme);
}

/** Several values are put together with commas, as Envoy does for expressions. */
function headerMap(from: HeaderFields | null): Map<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i < (from?.length ?? 0); i++) {
    const { lower } = from!.names[i]!;
    const before = headers.get(lower);
    const value = textOfBytes(from!.values[i]!);
    headers.set(lower, before === undefined ? value : `${before},${value}`);
  }
  return headers;
}

function portNumber(address: string): bigint {
  return BigInt(Number(address.slice(address.lastIndexOf(':') + 1)) || 0);
}
