/** A record as envoy.data.accesslog.v3.HTTPAccessLogEntry or TCPAccessLogEntry. What we do not know of a request (bytes on the wire, the upstream's own TLS) is left out. */
import type { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import type { AlsConfig } from '../../config/access-log-config.ts';
import { portOf, withoutPort } from '../address-parts.ts';
import { fieldValue, type HeaderFinder, requestHeadBytes, requestHeader, responseHeadBytes } from '../header-values.ts';
import type { LogRecord, TimePoint } from '../log-record.ts';
import { peerDetails } from '../peer-details.ts';
import { streamId } from '../record-ids.ts';
import { text } from './entry-text.ts';
import type { WriteEntry } from './log-service.ts';
import { structFields } from './struct.ts';

export function alsEntry(config: AlsConfig): WriteEntry {
  if (config.entries === 'tcp') return tcpEntry;
  const requestHeaders = config.requestHeaders.map((name) => ({ name, find: requestHeader(name) }));
  return (writer, record) => httpEntry(writer, record, config, requestHeaders);
}

function tcpEntry(writer: ProtobufWriter, record: LogRecord): void {
  writer.message(1, () => common(writer, record));
  writer.message(2, () => {
    writer.uint(1, record.bytesReceived);
    writer.uint(2, record.bytesSent);
  });
}

const versions: Readonly<Record<string, number>> = { 'HTTP/1.0': 1, 'HTTP/1.1': 2, 'HTTP/2': 3 };

interface WantedHeader {
  readonly name: string;
  readonly find: HeaderFinder;
}

function httpEntry(
  writer: ProtobufWriter,
  record: LogRecord,
  config: AlsConfig,
  requestHeaders: readonly WantedHeader[],
): void {
  writer.message(1, () => common(writer, record));
  writer.uint(2, versions[record.protocol] ?? 0);
  writer.message(3, () => request(writer, record, requestHeaders));
  writer.message(4, () => response(writer, record, config));
}

const originalPath = requestHeader('x-envoy-original-path');

const methods: Readonly<Record<string, number>> = {
  GET: 1,
  HEAD: 2,
  POST: 3,
  PUT: 4,
  DELETE: 5,
  CONNECT: 6,
  OPTIONS: 7,
  TRACE: 8,
  PATCH: 9,
};

function request(writer: ProtobufWriter, record: LogRecord, headers: readonly WantedHeader[]): void {
  const { head } = record;
  if (head === null) return;
  writer.uint(1, methods[head.method] ?? 0);
  text(writer, 2, head.scheme);
  text(writer, 3, head.authority);
  text(writer, 5, record.path);
  text(writer, 6, head.fields.get('user-agent'));
  text(writer, 7, head.fields.get('referer'));
  text(writer, 8, fieldValue(head.fields, 'x-forwarded-for'));
  text(writer, 9, record.requestId);
  text(writer, 10, originalPath(record));
  writer.uint(11, requestHeadBytes(record));
  writer.uint(12, record.bytesReceived);
  for (const { name, find } of headers) {
    const value = find(record);
    if (value !== null) textEntry(writer, 13, name, value);
  }
}

function response(writer: ProtobufWriter, record: LogRecord, config: AlsConfig): void {
  // UInt32Value.
  if (record.status > 0) writer.message(1, () => writer.uint(1, record.status));
  writer.uint(2, responseHeadBytes(record));
  writer.uint(3, record.bytesSent);
  for (const name of config.responseHeaders) {
    const value = fieldValue(record.responseFields, name);
    if (value !== null) textEntry(writer, 4, name, value);
  }
  for (const name of config.responseTrailers) {
    const value = fieldValue(record.responseTrailers, name);
    if (value !== null) textEntry(writer, 5, name, value);
  }
  text(writer, 6, record.details);
}

const types = { NotSet: 0, TcpConnectionEnd: 3, DownstreamEnd: 6, Other: 0 } as const;

const pointFields: ReadonlyArray<readonly [number, TimePoint]> = [
  [6, 'DS_RX_END'],
  [7, 'US_TX_BEG'],
  [8, 'US_TX_END'],
  [9, 'US_RX_BEG'],
  [10, 'US_RX_END'],
  [11, 'DS_TX_BEG'],
  [12, 'DS_TX_END'],
];

/** AccessLogCommon. */
function common(writer: ProtobufWriter, record: LogRecord): void {
  const { info } = record;
  address(writer, 2, record.clientEndpoint);
  address(writer, 3, info.localAddress);
  if (info.secure) writer.message(4, () => tls(writer, record));
  writer.time(5, record.startWallMs);
  for (const [field, point] of pointFields) {
    const ms = record.pointMs(point);
    if (ms >= 0) writer.time(field, ms);
  }
  address(writer, 13, record.upstreamHost);
  address(writer, 14, record.upstreamLocalEnd);
  if (record.upstreamHost !== '') text(writer, 15, record.clusterName);
  if (record.flag !== '') writer.message(16, () => flags(writer, record.flag));
  if (record.metadata !== null && record.metadata.size > 0)
    writer.message(17, () => metadata(writer, record.metadata!));
  text(writer, 18, record.connectFailure);
  text(writer, 19, record.routeName);
  address(writer, 20, info.remoteAddress);
  writer.time(23, record.durationMs);
  writer.uint(24, record.attempts);
  if (record.tcp) text(writer, 25, record.details);
  text(writer, 26, streamId(record));
  writer.uint(33, types[record.type]);
}

/** Address of a SocketAddress: TCP is what is said by default. */
function address(writer: ProtobufWriter, field: number, endpoint: string): void {
  if (endpoint === '') return;
  writer.message(field, () =>
    writer.message(1, () => {
      text(writer, 2, withoutPort(endpoint));
      writer.uint(3, portOf(endpoint) ?? 0);
    }),
  );
}

const tlsVersions: Readonly<Record<string, number>> = { TLSv1: 1, 'TLSv1.1': 2, 'TLSv1.2': 3, 'TLSv1.3': 4 };

/** TLSProperties. */
function tls(writer: ProtobufWriter, { info }: LogRecord): void {
  const { peer } = info;
  writer.uint(1, tlsVersions[info.tlsVersion ?? ''] ?? 0);
  text(writer, 3, info.serverName);
  if (info.localUri !== '') writer.message(4, () => writer.message(1, () => text(writer, 1, info.localUri)));
  if (peer === null) return;
  writer.message(5, () => {
    for (const uri of peer.uris) writer.message(1, () => text(writer, 1, uri));
    for (const name of peer.dnsNames) writer.message(1, () => text(writer, 2, name));
    text(writer, 2, peer.subject);
    text(writer, 3, peerDetails(peer)?.issuer);
  });
}

/** Field of ResponseFlags; ours have none. */
const flagFields: Readonly<Record<string, number>> = {
  ...{ LH: 1, UH: 2, UT: 3, LR: 4, UR: 5, UF: 6, UC: 7, UO: 8, NR: 9, DI: 10, FI: 11, RL: 12, RLSE: 14, DC: 15 },
  ...{
    URX: 16,
    SI: 17,
    IH: 18,
    DPE: 19,
    UMSDR: 20,
    RFCF: 21,
    NFCF: 22,
    DT: 23,
    UPE: 24,
    NC: 25,
    OM: 26,
    DF: 27,
    DR: 28,
  },
};

function flags(writer: ProtobufWriter, list: string): void {
  for (const flag of list.split(',')) {
    const field = flagFields[flag];
    if (field !== undefined) writer.bool(field, true);
    // Unauthorized.reason: EXTERNAL_SERVICE.
    else if (flag === 'UAEX') writer.message(13, () => writer.uint(1, 1));
  }
}

/** core.Metadata: `filter_metadata`. */
function metadata(writer: ProtobufWriter, found: ReadonlyMap<string, unknown>): void {
  for (const [namespace, value] of found) {
    if (typeof value !== 'object' || value === null) continue;
    writer.message(1, () => {
      text(writer, 1, namespace);
      writer.message(2, () => structFields(writer, value));
    });
  }
}

/** An entry of `map<string, string>`. */
function textEntry(writer: ProtobufWriter, field: number, key: string, value: string): void {
  writer.message(field, () => {
    text(writer, 1, key);
    text(writer, 2, value);
  });
}
