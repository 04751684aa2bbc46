/**
 * Envoy's command operators, by name: what each takes in parentheses, what it says (for docs/observability.md), and how it is compiled. What is not here is refused by name. Where Envoy has an operator
 * for something that can never be there in our sidecars (HTTP/3, virtual clusters), it says what Envoy says then.
 */
import { hostname } from 'node:os';
import { env } from 'node:process';
import { newRequestId } from '../connection-manager/request-id.ts';
import { queryValues } from '../filters/query-parameters.ts';
import type { PeerCertificate } from '../transport/peer-certificate.ts';
import { network, portOf, withoutPort } from './address-parts.ts';
import { jsonText } from './escape.ts';
import { grpcStatusName, grpcStatusOf } from './grpc-outcome.ts';
import {
  fieldBytes,
  fieldValue,
  type HeaderFinder,
  requestHeadBytes,
  requestHeader,
  responseHeadBytes,
  responseHeader,
} from './header-values.ts';
import type { LogRecord, TimePoint } from './log-record.ts';
import { type LogValue, type Operator, orAbsent } from './log-value.ts';
import { metadataAt } from './logged-metadata.ts';
import { peerDetails } from './peer-details.ts';
import { connectionId, streamId } from './record-ids.ts';
import { longFlags } from './response-flag-names.ts';
import { compileTimeFormat } from './time-format.ts';

interface OperatorKind {
  /** What may stand in parentheses; '': nothing. With a question mark at its end: it may be left out. */
  readonly takes: string;
  readonly says: string;
  /** `argument`: as it stands; '' without one. Throws an Error with a reason when it is not a good one. */
  make(argument: string): Operator;
}

/** One that takes nothing. */
function plain(says: string, operator: Operator): OperatorKind {
  return { takes: '', says, make: () => operator };
}

const quiet: Operator = () => null;
const zero: Operator = () => 0;

function header(says: string, finder: (name: string) => HeaderFinder): OperatorKind {
  return {
    takes: 'NAME?OTHER',
    says,
    make: (argument) => {
      const [first = '', second] = argument.toLowerCase().split('?');
      if (first === '') throw new Error('needs the name of a header');
      const find = finder(first);
      if (second === undefined) return find;
      const findOther = finder(second);
      return (record) => find(record) ?? findOther(record);
    },
  };
}

const requestHeaderKind = header('header of the request; `OTHER` where it is not there', requestHeader);
const responseHeaderKind = header('header of the answer', responseHeader);
const trailerKind = header(
  'trailer of the answer',
  (name) =>
    ({ responseTrailers }) =>
      fieldValue(responseTrailers, name),
);

const originalPath = requestHeader('x-envoy-original-path');
const originalHost = requestHeader('x-envoy-original-host');
const authority = requestHeader(':authority');

function time(says: string, zone: 'utc' | 'local', of: (record: LogRecord) => number | null): OperatorKind {
  return {
    takes: 'FORMAT?',
    says,
    make: (argument) => {
      const format = compileTimeFormat(argument, zone);
      return (record) => {
        const wallMs = of(record);
        return wallMs === null ? null : format(wallMs);
      };
    },
  };
}

function bareAddress(says: string, of: (record: LogRecord) => string): OperatorKind {
  return {
    takes: 'BITS?',
    says,
    make: (argument) => {
      if (argument === '') return (record) => orAbsent(withoutPort(of(record)));
      const bits = Number(argument);
      if (!/^\d{1,3}$/.test(argument) || bits > 128) throw new Error(`${argument} is not a number of bits (0 to 128)`);
      return (record) => network(withoutPort(of(record)), bits);
    },
  };
}

const port = (says: string, of: (record: LogRecord) => string): OperatorKind =>
  plain(says, (record) => portOf(of(record)));

const peer = (says: string, of: (peer: PeerCertificate) => LogValue): OperatorKind =>
  plain(says, ({ info }) => (info.peer === null ? null : of(info.peer)));

const list = (values: readonly string[] | undefined): string | null => orAbsent(values?.join(','));

const peerAddress = (record: LogRecord): string => record.info.remoteAddress;
const remote = (record: LogRecord): string => record.clientEndpoint;
const local = (record: LogRecord): string => record.info.localAddress;
/** Where there was a connection to it (Envoy). */
const upstream = (record: LogRecord): string =>
  record.tcp || record.pointMs('US_TX_BEG') >= 0 ? record.upstreamHost : '';

function choice<Name extends string>(text: string, fallback: Name, names: readonly Name[]): Name {
  if (text === '') return fallback;
  const found = names.find((name) => name === text);
  if (found === undefined) throw new Error(`${text} is none of ${names.join(', ')}`);
  return found;
}

const grpcStatus: OperatorKind = {
  takes: 'CAMEL_STRING, SNAKE_STRING or NUMBER?',
  says: 'gRPC status, told or inferred from the HTTP status',
  make: (argument) => {
    const style = choice(argument, 'CAMEL_STRING', ['CAMEL_STRING', 'SNAKE_STRING', 'NUMBER']);
    if (style === 'NUMBER') return grpcStatusNumber;
    const spelling = style === 'CAMEL_STRING' ? 'camel' : 'snake';
    return (record) => grpcStatusName(grpcStatusOf(record), spelling);
  },
};

function grpcStatusNumber(record: LogRecord): number | null {
  const status = grpcStatusOf(record);
  return status < 0 ? null : status;
}

/** `namespace:key:key…`, as in Envoy. */
const dynamicMetadata: OperatorKind = {
  takes: 'NAMESPACE:KEY…',
  says: 'what filters found out about the request',
  make: (argument) => {
    const [namespace = '', ...keys] = argument.split(':');
    if (namespace === '' || keys.includes('')) throw new Error('needs a namespace, and no key may be empty');
    return (record) => {
      const value = metadataAt(record, namespace, keys);
      if (value === null || value === undefined) return null;
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
      return { json: jsonText(value) };
    };
  },
};

const path: OperatorKind = {
  takes: 'WQ or NQ:ORIG, PATH or ORIG_OR_PATH?',
  says: 'path, with or without the query; as received, as it went on, or the first of the two',
  make: (argument) => {
    const [first = '', second = '', more] = argument.split(':');
    if (more !== undefined) throw new Error('takes two words at most');
    const withQuery = choice(first, 'WQ', ['WQ', 'NQ']) === 'WQ';
    const source = choice(second, 'ORIG_OR_PATH', ['ORIG', 'PATH', 'ORIG_OR_PATH']);
    return (record) => {
      if (record.head === null) return null;
      const found = source === 'PATH' ? record.path : source === 'ORIG' ? originalPath(record) : record.originalPath;
      if (found === null || withQuery) return found;
      const query = found.indexOf('?');
      return query < 0 ? found : found.slice(0, query);
    };
  },
};

const serverName: OperatorKind = {
  takes: 'SNI_ONLY, SNI_FIRST or HOST_FIRST:ORIG, HOST or ORIG_OR_HOST?',
  says: 'SNI of the client, or the host that was asked for',
  make: (argument) => {
    const [first = '', second = '', more] = argument.split(':');
    if (more !== undefined) throw new Error('takes two words at most');
    const order = choice(first, 'SNI_ONLY', ['SNI_ONLY', 'SNI_FIRST', 'HOST_FIRST']);
    const source = choice(second, 'ORIG_OR_HOST', ['ORIG', 'HOST', 'ORIG_OR_HOST']);
    const hostOf = (record: LogRecord): string | null =>
      (source === 'HOST' ? null : originalHost(record)) ?? (source === 'ORIG' ? null : authority(record));
    switch (order) {
      case 'SNI_ONLY':
        return ({ info }) => orAbsent(info.serverName);
      case 'SNI_FIRST':
        return (record) => orAbsent(record.info.serverName) ?? hostOf(record);
      case 'HOST_FIRST':
        return (record) => hostOf(record) ?? orAbsent(record.info.serverName);
    }
  },
};

const queryParameter: OperatorKind = {
  takes: 'NAME',
  says: 'value of a parameter of the query; one that holds a token is `(hidden)`',
  make: (argument) => {
    if (argument === '') throw new Error('needs the name of a parameter');
    return (record) => (record.head === null ? null : (queryValues(record.path, argument)[0] ?? null));
  },
};

const environment: OperatorKind = {
  takes: 'NAME',
  says: 'environment variable of the sidecar',
  make: (argument) => {
    if (argument === '') throw new Error('needs the name of a variable');
    const value = env[argument] || '-';
    return () => value;
  },
};

/** May say so of what has none, never the other way round. Asked of every request: no regular expression. */
function hasBlanks(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code > 0x7e) return true;
  }
  return false;
}

const details: OperatorKind = {
  takes: 'ALLOW_WHITESPACES?',
  says: 'why it was answered so',
  make: (argument) => {
    const spaces = choice(argument, '', ['', 'ALLOW_WHITESPACES']) !== '';
    return ({ type, details: text }) =>
      type === 'TcpConnectionEnd' ? null : orAbsent(spaces || !hasBlanks(text) ? text : text.replace(/\s/g, '_'));
  },
};

const host: OperatorKind = {
  takes: '',
  says: 'name of the machine',
  make: () => {
    const name = orAbsent(hostname());
    return () => name;
  },
};

const timePoints: readonly TimePoint[] = [
  'DS_RX_BEG',
  'DS_RX_END',
  'US_TX_BEG',
  'US_TX_END',
  'US_RX_BEG',
  'US_RX_END',
  'DS_TX_BEG',
  'DS_TX_END',
];

const perMs = { ms: 1, us: 1000, ns: 1_000_000 } as const;

function elapsed(start: TimePoint, end: TimePoint, unit: keyof typeof perMs): Operator {
  const factor = perMs[unit];
  return (record) => {
    const from = record.pointMs(start);
    const to = record.pointMs(end);
    return from < 0 || to < 0 ? null : Math.floor((to - from) * factor);
  };
}

function between(says: string, start: TimePoint, end: TimePoint, unit: keyof typeof perMs): OperatorKind {
  return plain(says, elapsed(start, end, unit));
}

const until = (says: string, end: TimePoint): OperatorKind => between(says, 'DS_RX_BEG', end, 'ms');

const commonDuration: OperatorKind = {
  takes: 'START:END:ms, us or ns',
  says: `time between two of ${timePoints.map((point) => `\`${point}\``).join(', ')}`,
  make: (argument) => {
    const [start = '', end = '', unit = '', more] = argument.split(':');
    if (start === '' || end === '' || unit === '' || more !== undefined) throw new Error('needs two points and a unit');
    return elapsed(
      choice(start, 'DS_RX_BEG', timePoints),
      choice(end, 'DS_RX_BEG', timePoints),
      choice(unit, 'ms', ['ms', 'us', 'ns']),
    );
  },
};

/** In the order in which they are documented. */
export const logOperators: Readonly<Record<string, OperatorKind>> = {
  START_TIME: time('when it began, UTC', 'utc', (record) => record.startWallMs),
  START_TIME_LOCAL: time('the same by the time zone of the machine', 'local', (record) => record.startWallMs),
  EMIT_TIME: time('when it was logged, UTC', 'utc', (record) => record.startWallMs + record.durationMs),
  EMIT_TIME_LOCAL: time(
    'the same by the time zone of the machine',
    'local',
    (record) => record.startWallMs + record.durationMs,
  ),
  REQ: requestHeaderKind,
  REQUEST_HEADER: requestHeaderKind,
  RESP: responseHeaderKind,
  RESPONSE_HEADER: responseHeaderKind,
  TRAILER: trailerKind,
  RESPONSE_TRAILER: trailerKind,
  PATH: path,
  QUERY_PARAM: queryParameter,
  PROTOCOL: plain('`HTTP/1.1`, `HTTP/2`', (record) => orAbsent(record.protocol)),
  UPSTREAM_PROTOCOL: plain('the same of the service that answered', (record) => orAbsent(record.upstreamProtocol)),
  RESPONSE_CODE: plain(
    'status; 0 for connections, 499 where the caller did not wait (Envoy: 0)',
    (record) => record.status,
  ),
  RESPONSE_CODE_DETAILS: details,
  RESPONSE_FLAGS: plain('flags, a dash where there are none', ({ flag }) => flag || '-'),
  RESPONSE_FLAGS_LONG: plain('the same in words', ({ flag }) => (flag === '' ? '-' : longFlags(flag))),
  CONNECTION_TERMINATION_DETAILS: plain('why a connection ended', (record) =>
    record.tcp ? orAbsent(record.details) : null,
  ),
  GRPC_STATUS: grpcStatus,
  GRPC_STATUS_NUMBER: plain('the same as a number', grpcStatusNumber),
  BYTES_RECEIVED: plain('of the body, or of the connection', (record) => record.bytesReceived),
  BYTES_SENT: plain('the same of the answer', (record) => record.bytesSent),
  REQUEST_HEADERS_BYTES: plain('of names and values', requestHeadBytes),
  RESPONSE_HEADERS_BYTES: plain('the same of the answer', responseHeadBytes),
  RESPONSE_TRAILERS_BYTES: plain('the same of its trailers', ({ responseTrailers }) => fieldBytes(responseTrailers)),
  BYTES_RETRANSMITTED: plain('always 0: of HTTP/3', zero),
  PACKETS_RETRANSMITTED: plain('always 0: of HTTP/3', zero),
  DURATION: plain('milliseconds from its beginning to its end', (record) => Math.floor(record.durationMs)),
  REQUEST_DURATION: until('from its beginning until it was whole', 'DS_RX_END'),
  REQUEST_TX_DURATION: until('until it was sent to the host', 'US_TX_END'),
  RESPONSE_DURATION: until("until the first byte of the host's answer", 'US_RX_BEG'),
  RESPONSE_TX_DURATION: between('from that byte to the end', 'US_RX_BEG', 'DS_TX_END', 'ms'),
  COMMON_DURATION: commonDuration,
  ROUNDTRIP_DURATION: plain('always absent: of HTTP/3', quiet),
  UPSTREAM_HOST: plain('`ip:port` of the host that was asked last', (record) => orAbsent(record.upstreamHost)),
  UPSTREAM_REMOTE_ADDRESS: plain('the same, once there was a connection to it', (record) => orAbsent(upstream(record))),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: bareAddress(
    'the same without the port; as a network of so many bits',
    upstream,
  ),
  UPSTREAM_REMOTE_PORT: port('its port', upstream),
  UPSTREAM_LOCAL_ADDRESS: plain('`ip:port` of our end of the connection to it, where that is open still', (record) =>
    orAbsent(record.upstreamLocalEnd),
  ),
  UPSTREAM_TRANSPORT_FAILURE_REASON: plain('why no connection to it could be made, in our words', (record) =>
    orAbsent(record.connectFailure),
  ),
  UPSTREAM_CLUSTER: plain('its cluster', (record) => orAbsent(record.clusterName)),
  UPSTREAM_CLUSTER_RAW: plain('its cluster', (record) => orAbsent(record.clusterName)),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain('times that it was tried', (record) => record.attempts),
  ROUTE_NAME: plain('name of the route', (record) => orAbsent(record.routeName)),
  VIRTUAL_CLUSTER_NAME: plain('always absent: there are no virtual clusters here', quiet),
  DOWNSTREAM_REMOTE_ADDRESS: plain(
    '`ip:port` of the caller: whom `x-forwarded-for` tells, as far as it is believed, with port 0; else the peer',
    remote,
  ),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: bareAddress(
    'the same without the port; as a network of so many bits',
    remote,
  ),
  DOWNSTREAM_REMOTE_PORT: port('its port', remote),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: plain('`ip:port` of the peer', peerAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: bareAddress('the same without the port', peerAddress),
  DOWNSTREAM_DIRECT_REMOTE_PORT: port('its port', peerAddress),
  DOWNSTREAM_LOCAL_ADDRESS: plain('`ip:port` that the peer connected to, before it was redirected', local),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: bareAddress('the same without the port; as a network of so many bits', local),
  DOWNSTREAM_LOCAL_PORT: port('its port', local),
  REQUESTED_SERVER_NAME: serverName,
  DOWNSTREAM_TLS_VERSION: plain('`TLSv1.3`', ({ info }) => orAbsent(info.tlsVersion)),
  DOWNSTREAM_TLS_CIPHER: plain("by OpenSSL's name", ({ info }) => orAbsent(info.tlsCipher)),
  DOWNSTREAM_LOCAL_URI_SAN: plain('URI name of our certificate', ({ info }) => orAbsent(info.localUri)),
  DOWNSTREAM_PEER_URI_SAN: peer("URI names of the client's certificate", ({ uris }) => list(uris)),
  DOWNSTREAM_PEER_DNS_SAN: peer('DNS names', ({ dnsNames }) => list(dnsNames)),
  DOWNSTREAM_PEER_IP_SAN: peer('IP addresses', (certificate) => list(peerDetails(certificate)?.ipAddresses)),
  DOWNSTREAM_PEER_EMAIL_SAN: peer('mail addresses', (certificate) => list(peerDetails(certificate)?.emails)),
  DOWNSTREAM_PEER_SUBJECT: peer('subject', ({ subject }) => orAbsent(subject)),
  DOWNSTREAM_PEER_ISSUER: peer('who signed it', (certificate) => orAbsent(peerDetails(certificate)?.issuer)),
  DOWNSTREAM_PEER_SERIAL: peer('serial number', (certificate) => orAbsent(peerDetails(certificate)?.serial)),
  DOWNSTREAM_PEER_FINGERPRINT_256: peer('SHA-256, hexadecimal', ({ sha256 }) => orAbsent(sha256)),
  DOWNSTREAM_PEER_FINGERPRINT_1: peer('SHA-1, hexadecimal', (certificate) => orAbsent(peerDetails(certificate)?.sha1)),
  DOWNSTREAM_PEER_CERT: peer('the whole, PEM in percent-encoding', (certificate) =>
    orAbsent(peerDetails(certificate)?.pem),
  ),
  DOWNSTREAM_PEER_CERT_V_START: time(
    'since when it is good',
    'utc',
    ({ info }) => peerDetails(info.peer)?.validFromWallMs ?? null,
  ),
  DOWNSTREAM_PEER_CERT_V_END: time(
    'until when it is good',
    'utc',
    ({ info }) => peerDetails(info.peer)?.validToWallMs ?? null,
  ),
  DYNAMIC_METADATA: dynamicMetadata,
  TRACE_ID: plain('of the trace', (record) => orAbsent(record.traceId)),
  SPAN_ID: plain('of its span here', (record) => orAbsent(record.spanId)),
  STREAM_ID: plain('the request id; of a connection an id of its own', (record) => orAbsent(streamId(record))),
  CONNECTION_ID: plain('number of the connection of the peer, in this process', connectionId),
  UNIQUE_ID: plain('a UUID for this line', () => newRequestId()),
  ACCESS_LOG_TYPE: plain('`DownstreamEnd`, `TcpConnectionEnd`', ({ type }) => type),
  HOSTNAME: host,
  ENVIRONMENT: environment,
};
