import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { RequestHead } from '../codec/message-head.ts';
import type { JsonFormatConfig } from '../config/access-log-config.ts';
import { get } from '../connection-manager/test/stream-rig.ts';
import { LineBuffer } from './line-buffer.ts';
import { compileJsonFormat, compileTextFormat } from './log-format.ts';
import { logOperators } from './log-operators.ts';
import type { LoggedStream, LogRecord } from './log-record.ts';
import { streamRecord, tcpRecord } from './test/records.ts';

function json(format: JsonFormatConfig, omitEmpty: boolean, record: LogRecord): string {
  const line = new LineBuffer();
  compileJsonFormat(format, omitEmpty)(record, line);
  return line.take();
}

const head = get('/b?x=1&access_token=secret&y=%20z', HeaderFields.of(['Host', 'orders.shop'], ['a', 'bc']));

const cases: ReadonlyArray<readonly [format: string, wanted: string, stream?: Partial<LoggedStream>]> = [
  ['%START_TIME(%s.%3f)%', '1795953600.987'],
  ['%EMIT_TIME(%FT%T)%', '2026-11-29T12:00:01'],
  ['%REQUEST_HEADER(USER-AGENT)% %RESPONSE_HEADER(X-CACHE):2%', 'curl hi'],
  ['%RESPONSE_TRAILER(T)%', 'end', { responseTrailers: HeaderFields.of(['T', 'end']) }],
  ['%PATH% %PATH(NQ)% %PATH(NQ:PATH)% %PATH(WQ:ORIG)%', '/asked?for /asked /rewritten /asked?for'],
  ['%PATH(WQ:ORIG)%', '-', { originalPath: '/rewritten' }],
  ['%QUERY_PARAM(x)% %QUERY_PARAM(y)% %QUERY_PARAM(access_token)% %QUERY_PARAM(no)%', '1  z (hidden) -', { head }],
  ['%UPSTREAM_PROTOCOL%', 'HTTP/1.1'],
  ['%UPSTREAM_PROTOCOL%', '-', { details: 'no_healthy_upstream' }],
  [
    '%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%',
    'URX,UF UpstreamRetryLimitExceeded,UpstreamConnectionFailure',
    { flag: 'URX,UF' },
  ],
  ['%RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%', 'a_b a b', { details: 'a b' }],
  [
    '%GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS%',
    'NOT_FOUND 5 NotFound',
    { grpc: true, grpcStatus: '5' },
  ],
  ['%GRPC_STATUS% %GRPC_STATUS_NUMBER%', 'Unavailable 14', { grpc: true, status: 503 }],
  ['%GRPC_STATUS%', '-', { status: 503 }],
  ['%REQUEST_DURATION% %REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%', '0 1 7 5'],
  ['%COMMON_DURATION(US_TX_BEG:US_RX_END:us)% %COMMON_DURATION(DS_RX_BEG:DS_RX_END:ns)%', '8000 500000'],
  ['%RESPONSE_DURATION% %REQUEST_TX_DURATION%', '- -', { lastAttempt: null }],
  ['%UPSTREAM_LOCAL_ADDRESS%', '10.0.0.9:40001'],
  ['%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_TRANSPORT_FAILURE_REASON%', '- -', { lastAttempt: null }],
  [
    '%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_TRANSPORT_FAILURE_REASON%',
    '- No connection to the service: refused.',
    {
      lastAttempt: {
        ...{ sentMs: -1, firstByteMs: -1, endedMs: 1009, stream: null },
        failure: { flag: 'UF', message: 'No connection to the service: refused.' },
      },
    },
  ],
  ['%TRACE_ID% %SPAN_ID%', 'a b', { traceId: 'a', spanId: 'b' }],
  ['%DURATION% %BYTES_RETRANSMITTED% %PACKETS_RETRANSMITTED% %ROUNDTRIP_DURATION%', '12 0 0 -'],
  ['%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%', '10.0.0.1 80'],
  ['%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%', '10.0.0.0/8'],
  [
    '%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(64)%',
    '2001:db8:1234:5678::/64',
    { upstreamHost: '[2001:db8:1234:5678:9abc:def0:1234:5678]:80' },
  ],
  ['%UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT%', '- -', { upstreamHost: '' }],
  ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)% %DOWNSTREAM_REMOTE_PORT%', '10.1.0.0/16 4567'],
  [
    '%REQUESTED_SERVER_NAME% %REQUESTED_SERVER_NAME(SNI_FIRST)% %REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%',
    '- orders.shop orders.shop',
  ],
  ['%STREAM_ID% %ACCESS_LOG_TYPE% %VIRTUAL_CLUSTER_NAME%', 'id-1 DownstreamEnd -'],
  ['%HOSTNAME%', hostname()],
  ['%ENVIRONMENT(NO_SUCH_VARIABLE)%', '-'],
  [
    '%REQUEST_HEADERS_BYTES%',
    String(':methodGET:path/b?x=1&access_token=secret&y=%20z:authorityorders.shop:schemehttpabc'.length),
    { head },
  ],
  ['%RESPONSE_HEADERS_BYTES% %RESPONSE_TRAILERS_BYTES%', String(':status200x-cachehit'.length).concat(' 0')],
];

it.each(cases.map(([format, wanted, stream = {}]) => ({ format, wanted, stream })))(
  '$format',
  ({ format, wanted, stream }) => {
    expect(compileTextFormat(format)(streamRecord(stream))).toBe(wanted);
  },
);

it('keeps tabs and line breaks of the format, and escapes those of what it finds', () => {
  const record = streamRecord({ details: 'a\tb', head });
  expect(compileTextFormat('%RESPONSE_CODE%\t%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%\n-')(record)).toBe(
    '200\ta\\u0009b\n-',
  );
});

it('says a gRPC status that gRPC has not by its number (Envoy)', () => {
  const record = streamRecord({ grpc: true, grpcStatus: '99' });
  expect(compileTextFormat('%GRPC_STATUS% %GRPC_STATUS_NUMBER%')(record)).toBe('99 99');
});

it('reads the bytes of a header as UTF-8 where they are', () => {
  const record = streamRecord({
    head: new RequestHead(
      'GET',
      'http',
      'a',
      '/',
      '1.1',
      HeaderFields.of(['a', 'caf\u00c3\u00a9'], ['b', 'caf\u00e9']),
    ),
  });
  expect(compileTextFormat('%REQ(A)% %REQ(B)%')(record)).toBe('café café');
});

it('says of a connection what there is', () => {
  const format =
    '%PROTOCOL% %RESPONSE_CODE% %BYTES_RECEIVED% %UPSTREAM_HOST% %CONNECTION_TERMINATION_DETAILS% %REQ(HOST)% %PATH%';
  expect(compileTextFormat(format)(tcpRecord())).toBe('- 0 10 10.0.0.9:5432 closed - -');
});

it("takes Istio's default format", () => {
  const format =
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%';
  expect(compileTextFormat(format)(streamRecord())).toMatch(
    /"10\.0\.0\.1:80" outbound\|80\|\|orders\.shop 10\.0\.0\.9:40001 /,
  );
});

it('gives a connection an id of its own, and one for all of its lines', () => {
  const format = compileTextFormat('%STREAM_ID% %CONNECTION_ID%');
  const record = tcpRecord();
  expect(format(record)).toMatch(/^[0-9a-f-]{36} \d+$/);
  expect(format(record)).toBe(format(record));
  const unique = compileTextFormat('%UNIQUE_ID%');
  expect(unique(record)).not.toBe(unique(record));
});

it.each([
  ['%NO_SUCH%', '%NO_SUCH% is not supported'],
  ['%FILTER_STATE(a)%', '%FILTER_STATE(a)% is not supported'],
  ['%REQ%', '%REQ% is not supported: it needs NAME?OTHER in parentheses'],
  ['%PROTOCOL(x)%', 'PROTOCOL takes nothing in parentheses'],
  ['%START_TIME(%Q)%', '%START_TIME(%Q)% is not supported: %Q is not a time specifier'],
  ['%GRPC_STATUS(SHOUTED)%', 'SHOUTED is none of CAMEL_STRING, SNAKE_STRING, NUMBER'],
  ['%PATH(XX)%', 'XX is none of WQ, NQ'],
  ['%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(129)%', '129 is not a number of bits'],
  ['%toString%', 'has a command operator that is not supported'],
])('refuses %s by name', (format, message) => {
  expect(() => compileTextFormat(format)).toThrow(message);
});

it('leaves out what is absent where the format says so (omit_empty_values)', () => {
  const record = streamRecord();
  expect(compileTextFormat('[%GRPC_STATUS%]', true)(record)).toBe('[]');
  const value = {
    fields: [
      ['flags', '%GRPC_STATUS%'],
      ['code', '%RESPONSE_CODE%'],
      ['both', '%GRPC_STATUS% %RESPONSE_CODE%'],
      ['none', null],
    ],
  } as const;
  expect(json(value, true, record)).toBe('{"code":200,"both":" 200"}');
  expect(json(value, false, record)).toBe('{"flags":null,"code":200,"both":"- 200","none":null}');
});

it('writes nested JSON, with numbers and booleans as they are', () => {
  const value = {
    fields: [
      [
        'a',
        {
          fields: [
            ['b', '%DURATION%'],
            ['c', { list: ['%GRPC_STATUS%', 'x', 1.5] }],
          ],
        },
      ],
      ['"', true],
      ['empty', { fields: [] }],
    ],
  } as const;
  expect(JSON.parse(json(value, false, streamRecord()))).toEqual({
    a: { b: 12, c: [null, 'x', 1.5] },
    '"': true,
    empty: {},
  });
});

it('says of each operator what it is', () => {
  for (const [name, { says }] of Object.entries(logOperators)) expect(says, name).not.toBe('');
});
