import { fromBinary, toJson } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import {
  HTTPAccessLogEntrySchema,
  TCPAccessLogEntrySchema,
} from '../../../proto/generated/envoy/data/accesslog/v3/accesslog_pb.js';
import { HeaderFields } from '../../codec/header-fields.ts';
import type { AlsConfig } from '../../config/access-log-config.ts';
import { get } from '../../connection-manager/test/stream-rig.ts';
import type { LogRecord } from '../log-record.ts';
import { streamRecord, tcpRecord } from '../test/records.ts';
import { alsEntry } from './als-entry.ts';

const config: AlsConfig = {
  kind: 'als',
  entries: 'http',
  logName: 'log',
  cluster: 'als',
  authority: 'als',
  initialMetadata: [],
  flushIntervalMs: 1000,
  bufferBytes: 16_384,
  requestHeaders: ['x-two', 'x-none'],
  responseHeaders: ['x-cache'],
  responseTrailers: ['t'],
};

function entryOf(of: AlsConfig, record: LogRecord): Buffer {
  const out = new ProtobufWriter();
  alsEntry(of)(out, record);
  return out.finish();
}

it('fills an HTTPAccessLogEntry (envoy.data.accesslog.v3)', () => {
  const head = get(
    '/p?q=1',
    HeaderFields.of(['User-Agent', 'curl'], ['Referer', 'r'], ['X-Two', 'a'], ['x-forwarded-for', '10.9.9.9']),
  );
  const record = streamRecord(
    {
      head,
      originalPath: '/p?q=1',
      flag: 'URX,UAEX,UF',
      status: 503,
      responseTrailers: HeaderFields.of(['T', 'end']),
      metadata: new Map<string, unknown>([
        ['ns', { a: 'b', n: 1.5, t: true, f: false, e: '', z: null, l: ['x', { y: 2 }] }],
      ]),
    },
    {
      secure: true,
      tlsVersion: 'TLSv1.3',
      serverName: 'orders.shop',
      localUri: 'spiffe://us',
      peer: { uris: ['spiffe://them'], dnsNames: ['them.example'], subject: 'CN=them', sha256: 'ab' },
      remoteAddress: '[2001:db8::1]:4567',
    },
    1500.25,
  );
  expect(toJson(HTTPAccessLogEntrySchema, fromBinary(HTTPAccessLogEntrySchema, entryOf(config, record)))).toEqual({
    commonProperties: {
      downstreamRemoteAddress: { socketAddress: { address: '2001:db8::1', portValue: 4567 } },
      downstreamDirectRemoteAddress: { socketAddress: { address: '2001:db8::1', portValue: 4567 } },
      downstreamLocalAddress: { socketAddress: { address: '127.0.0.1', portValue: 15001 } },
      tlsProperties: {
        tlsVersion: 'TLSv1_3',
        tlsSniHostname: 'orders.shop',
        localCertificateProperties: { subjectAltName: [{ uri: 'spiffe://us' }] },
        peerCertificateProperties: {
          subjectAltName: [{ uri: 'spiffe://them' }, { dns: 'them.example' }],
          subject: 'CN=them',
        },
      },
      startTime: '2026-11-29T11:59:59.499750Z',
      upstreamRemoteAddress: { socketAddress: { address: '10.0.0.1', portValue: 80 } },
      upstreamLocalAddress: { socketAddress: { address: '10.0.0.9', portValue: 40001 } },
      upstreamCluster: 'outbound|80||orders.shop',
      responseFlags: {
        upstreamRetryLimitExceeded: true,
        upstreamConnectionFailure: true,
        unauthorizedDetails: { reason: 'EXTERNAL_SERVICE' },
      },
      metadata: { filterMetadata: { ns: { a: 'b', n: 1.5, t: true, f: false, e: '', z: null, l: ['x', { y: 2 }] } } },
      routeName: 'r',
      timeToLastRxByte: '0.000500s',
      timeToFirstUpstreamTxByte: '0.001s',
      timeToLastUpstreamTxByte: '0.001s',
      timeToFirstUpstreamRxByte: '0.007s',
      timeToLastUpstreamRxByte: '0.009s',
      timeToFirstDownstreamTxByte: '0.007s',
      timeToLastDownstreamTxByte: '1.500250s',
      duration: '1.500250s',
      upstreamRequestAttemptCount: 1,
      streamId: 'id-1',
      accessLogType: 'DownstreamEnd',
    },
    protocolVersion: 'HTTP11',
    request: {
      requestMethod: 'GET',
      scheme: 'http',
      authority: 'orders.shop',
      path: '/p?q=1',
      userAgent: 'curl',
      referer: 'r',
      forwardedFor: '10.9.9.9',
      requestId: 'id-1',
      requestHeadersBytes: expect.any(String) as unknown,
      requestBodyBytes: '3',
      requestHeaders: { 'x-two': 'a' },
    },
    response: {
      responseCode: 503,
      responseHeadersBytes: '20',
      responseBodyBytes: '5',
      responseHeaders: { 'x-cache': 'hit' },
      responseTrailers: { t: 'end' },
      responseCodeDetails: 'via_upstream',
    },
  });
});

it('fills a TCPAccessLogEntry', () => {
  const bytes = entryOf({ ...config, entries: 'tcp' }, tcpRecord({ flag: 'UF' }));
  expect(toJson(TCPAccessLogEntrySchema, fromBinary(TCPAccessLogEntrySchema, bytes))).toMatchObject({
    commonProperties: {
      upstreamCluster: 'db',
      upstreamRemoteAddress: { socketAddress: { address: '10.0.0.9', portValue: 5432 } },
      responseFlags: { upstreamConnectionFailure: true },
      duration: '0.040s',
      connectionTerminationDetails: 'closed',
      accessLogType: 'TcpConnectionEnd',
    },
    connectionProperties: { receivedBytes: '10', sentBytes: '20' },
  });
});

it('tells no bytes that are no text, and no token of the query', () => {
  const head = get(
    '/é'.normalize('NFC').replace('é', '\xc3\xa9').concat('?access_token=secret'),
    HeaderFields.of(['x-two', '\xff\xfe']),
  );
  const bytes = entryOf(config, streamRecord({ head, originalPath: head.path }));
  const entry = fromBinary(HTTPAccessLogEntrySchema, bytes);
  expect(entry.request!.path).toBe('/é?access_token=(hidden)');
  expect(entry.request!.requestHeaders['x-two']).toBe('ÿþ');
});
