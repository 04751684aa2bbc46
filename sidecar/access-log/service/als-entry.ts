/** A record as envoy.data.accesslog.v3.HTTPAccessLogEntry or TCPAccessLogEntry. What we do not know of a request (bytes on the wire, the upstream's own TLS) is left out. */
import type { AlsConfig } from '../../config/access-log-config.ts';
import { portOf, withoutPort } from '../address-parts.ts';
import { fieldValue, type HeaderFinder, requestHeadBytes, requestHeader, responseHeadBytes } from '../header-values.ts';
import type { LogRecord, TimePoint } from '../log-record.ts';
import { peerDetails } from '../peer-details.ts';
import { streamId } from '../record-ids.ts';
import { structFields } from './struct.ts';
import { BinaryWriter, bool, count, duration, nested, text, textEntry, timestamp } from './wire.ts';

export function alsEntry(config: AlsConfig): (record: LogRecord) => Uint8Array {
  if (config.entries === 'tcp') return tcpEntry;
  const requestHeaders = config.requestHeaders.map((name) => ({ name, find: requestHeader(name) }));
  return (record) => httpEntry(record, config, requestHeaders);
}

function tcpEntry(record: LogRecord): Uint8Array {
  const writer = new BinaryWriter();
  nested(writer, 1, () => common(writer, record));
  nested(writer, 2, () => {
    count(writer, 1, record.bytesReceived);
    count(writer, 2, record.bytesSent);
  });
  return writer.finish();
}

const versions: Readonly<Record<string, number>> = { 'HTTP/1.0': 1, 'HTTP/1.1': 2, 'HTTP/2': 3 };

interface WantedHeader {
  readonly name: string;
  readonly find: HeaderFinder;
}

function httpEntry(record: LogRecord, config: AlsConfig, requestHeaders: readonly WantedHeader[]): Uint8Array {
  const writer = new BinaryWriter();
  nested(writer, 1, () => common(writer, record));
  count(writer, 2, versions[record.protocol] ?? 0);
  nested(writer, 3, () => request(writer, record, requestHeaders));
  nested(writer, 4, () => response(writer, record, config));
  return writer.finish();
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

function request(writer: BinaryWriter, record: LogRecord, headers: readonly WantedHeader[]): void {
  const { head } = record;
  if (head === null) return;
  count(writer, 1, methods[head.method] ?? 0);
  text(writer, 2, head.scheme);
  text(writer, 3, head.authority);
  text(writer, 5, record.path);
  text(writer, 6, head.fields.get('user-agent'));
  text(writer, 7, head.fields.get('referer'));
  text(writer, 8, fieldValue(head.fields, 'x-forwarded-for'));
  text(writer, 9, record.requestId);
  text(writer, 10, originalPath(record));
  count(writer, 11, requestHeadBytes(record));
  count(writer, 12, record.bytesReceived);
  for (const { name, find } of headers) {
    const value = find(record);
    if (value !== null) textEntry(writer, 13, name, value);
  }
}

function response(writer: BinaryWriter, record: LogRecord, config: AlsConfig): void {
  // UInt32Value.
  if (record.status > 0) nested(writer, 1, () => count(writer, 1, record.status));
  count(writer, 2, responseHeadBytes(record));
  count(writer, 3, record.bytesSent);
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
function common(writer: BinaryWriter, record: LogRecord): void {
  const { info } = record;
  address(writer, 2, record.clientEndpoint);
  address(writer, 3, info.localAddress);
  if (info.secure) nested(writer, 4, () => tls(writer, record));
  timestamp(writer, 5, record.startWallMs);
  for (const [field, point] of pointFields) {
    const ms = record.pointMs(point);
    if (ms >= 0) duration(writer, field, ms);
  }
  address(writer, 13, record.upstreamHost);
  address(writer, 14, record.upstreamLocalEnd);
  if (record.upstreamHost !== '') text(writer, 15, record.clusterName);
  if (record.flag !== '') nested(writer, 16, () => flags(writer, record.flag));
  if (record.metadata !== null && record.metadata.size > 0)
    nested(writer, 17, () => metadata(writer, record.metadata!));
  text(writer, 18, record.connectFailure);
  text(writer, 19, record.routeName);
  address(writer, 20, info.remoteAddress);
  duration(writer, 23, record.durationMs);
  count(writer, 24, record.attempts);
  if (record.tcp) text(writer, 25, record.details);
  text(writer, 26, streamId(record));
  count(writer, 33, types[record.type]);
}

/** Address of a SocketAddress: TCP is what is said by default. */
function address(writer: BinaryWriter, field: number, endpoint: string): void {
  if (endpoint === '') return;
  nested(writer, field, () =>
    nested(writer, 1, () => {
      text(writer, 2, withoutPort(endpoint));
      count(writer, 3, portOf(endpoint) ?? 0);
    }),
  );
}

const tlsVersions: Readonly<Record<string, number>> = { TLSv1: 1, 'TLSv1.1': 2, 'TLSv1.2': 3, 'TLSv1.3': 4 };

/** TLSProperties. */
function tls(writer: BinaryWriter, { info }: LogRecord): void {
  const { peer } = info;
  count(writer, 1, tlsVersions[info.tlsVersion ?? ''] ?? 0);
  text(writer, 3, info.serverName);
  if (info.localUri !== '') nested(writer, 4, () => nested(writer, 1, () => text(writer, 1, info.localUri)));
  if (peer === null) return;
  nested(writer, 5, () => {
    for (const uri of peer.uris) nested(writer, 1, () => text(writer, 1, uri));
    for (const name of peer.dnsNames) nested(writer, 1, () => text(writer, 2, name));
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

function flags(writer: BinaryWriter, list: string): void {
  for (const flag of list.split(',')) {
    const field = flagFields[flag];
    if (field !== undefined) bool(writer, field, true);
    // Unauthorized.reason: EXTERNAL_SERVICE.
    else if (flag === 'UAEX') nested(writer, 13, () => count(writer, 1, 1));
  }
}

/** core.Metadata: `filter_metadata`. */
function metadata(writer: BinaryWriter, found: ReadonlyMap<string, unknown>): void {
  for (const [namespace, value] of found) {
    if (typeof value !== 'object' || value === null) continue;
    nested(writer, 1, () => {
      text(writer, 1, namespace);
      nested(writer, 2, () => structFields(writer, value));
    });
  }
}
