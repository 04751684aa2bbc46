import { expect, it } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import type { AccessLogFilterConfig } from '../config/access-log-config.ts';
import { get } from '../connection-manager/test/stream-rig.ts';
import { compileLogFilter } from './log-filter.ts';
import type { LogRecord } from './log-record.ts';
import { streamRecord, tcpRecord } from './test/records.ts';

function passes(config: AccessLogFilterConfig, record: LogRecord, random = 0.5): boolean {
  return compileLogFilter(config, () => random)(record);
}

const status = (operator: 'equal' | 'least' | 'most', value: number): AccessLogFilterConfig => ({
  kind: 'compare',
  of: 'status',
  operator,
  value,
});

it('compares the status', () => {
  const record = streamRecord({ status: 404 });
  expect([status('equal', 404), status('least', 405), status('most', 404)].map((each) => passes(each, record))).toEqual(
    [true, false, true],
  );
  expect(passes(status('equal', 0), tcpRecord())).toBe(true);
});

it('compares whole milliseconds', () => {
  const least = (value: number): AccessLogFilterConfig => ({
    kind: 'compare',
    of: 'duration',
    operator: 'least',
    value,
  });
  expect([passes(least(12), streamRecord()), passes(least(13), streamRecord())]).toEqual([true, false]);
});

it('puts filters together', () => {
  const filters = [status('equal', 200), status('equal', 404)];
  expect(passes({ kind: 'any-of', filters }, streamRecord())).toBe(true);
  expect(passes({ kind: 'all-of', filters }, streamRecord())).toBe(false);
});

it('looks for any of the flags, or for any flag', () => {
  const flags = (...names: string[]): AccessLogFilterConfig => ({ kind: 'flags', flags: names });
  const record = streamRecord({ flag: 'URX,UF' });
  expect([flags('UF'), flags('UH', 'URX'), flags('U'), flags()].map((each) => passes(each, record))).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(passes(flags(), streamRecord())).toBe(false);
});

it('takes a share by the request id, the same on every hop, and by chance without one', () => {
  const share = (byRequestId: boolean): AccessLogFilterConfig => ({
    kind: 'share',
    share: { numerator: 50, denominator: 100 },
    byRequestId,
  });
  // 0x31 is 49, 0x32 is 50.
  const low = streamRecord({ requestId: '00000031-0000-4000-8000-000000000000' });
  const high = streamRecord({ requestId: '00000032-0000-4000-8000-000000000000' });
  expect([passes(share(true), low, 0.9), passes(share(true), high, 0.1)]).toEqual([true, false]);
  expect([passes(share(false), low, 0.9), passes(share(false), high, 0.1)]).toEqual([false, true]);
  const named = streamRecord({ requestId: 'mine' });
  expect([passes(share(true), named, 0.49), passes(share(true), named, 0.5)]).toEqual([true, false]);
});

it('asks for headers of the request; connections have none', () => {
  const header: AccessLogFilterConfig = {
    kind: 'header',
    header: {
      name: 'x-log',
      invert: false,
      treatMissingAsEmpty: false,
      test: { kind: 'string', match: { kind: 'exact', value: 'yes', ignoreCase: false } },
    },
  };
  expect(passes(header, streamRecord({ head: get('/', HeaderFields.of(['X-Log', 'yes'])) }))).toBe(true);
  expect(passes(header, streamRecord())).toBe(false);
  expect(passes(header, tcpRecord())).toBe(false);
});

it('infers a gRPC status where none was told, as Envoy does', () => {
  const statuses = (exclude: boolean, ...numbers: number[]): AccessLogFilterConfig => ({
    kind: 'grpc-status',
    statuses: numbers,
    exclude,
  });
  expect(passes(statuses(false, 14), streamRecord({ grpcStatus: '14' }))).toBe(true);
  expect(passes(statuses(false, 14), streamRecord({ status: 503 }))).toBe(true);
  expect(passes(statuses(false, 12), streamRecord({ status: 404 }))).toBe(true);
  expect(passes(statuses(false, 2), streamRecord({ status: 200 }))).toBe(true);
  expect(passes(statuses(true, 0), streamRecord({ grpcStatus: '0' }))).toBe(false);
  expect(passes(statuses(true, 0), streamRecord({ grpcStatus: '5' }))).toBe(true);
});

it('asks for what filters found out; what holds where nothing was found is said', () => {
  const config = (whenMissing: boolean, invert = false): AccessLogFilterConfig => ({
    kind: 'metadata',
    metadata: {
      filter: 'envoy.common',
      path: ['access_log_hint'],
      value: { kind: 'boolean', value: true },
      invert,
    },
    whenMissing,
  });
  const hint = (value: unknown): LogRecord =>
    streamRecord({ metadata: new Map([['envoy.common', { access_log_hint: value }]]) });
  expect([passes(config(false), hint(true)), passes(config(true), hint(false))]).toEqual([true, false]);
  expect([passes(config(true), streamRecord()), passes(config(false), streamRecord())]).toEqual([true, false]);
  expect(passes(config(false, true), hint(false))).toBe(true);
});

it('asks for the moment at which something is logged', () => {
  const types = (exclude: boolean): AccessLogFilterConfig => ({
    kind: 'log-type',
    types: ['TcpConnectionEnd'],
    exclude,
  });
  expect([passes(types(false), tcpRecord()), passes(types(false), streamRecord())]).toEqual([true, false]);
  expect([passes(types(true), tcpRecord()), passes(types(true), streamRecord())]).toEqual([false, true]);
});

it('knows of no health checks that a filter answered', () => {
  expect(passes({ kind: 'not-health-check' }, streamRecord())).toBe(true);
});

it.each([
  ["response.code >= 400 && request.method == 'GET'", false],
  ['response.code == 200', true],
  ["request.headers['user-agent'] == 'curl'", true],
  ["request.url_path == '/rewritten' && request.id == 'id-1'", true],
  ["request.duration > duration('10ms')", false],
  ['request.duration >= 12345600', true],
  ["response.headers['x-cache'].startsWith('h')", true],
  ["xds.route_name == 'r' && upstream.port == 80", true],
  ["upstream.address.matches('^10[.]') && !connection.mtls", true],
  ['response.grpc_status == 0', false],
  ["metadata.filter_metadata['a']['b'] == 'c'", false],
])('evaluates %s over what is known at the end', (expression, wanted) => {
  expect(passes({ kind: 'expression', expression }, streamRecord())).toBe(wanted);
});

it.each([
  ['response.nothing == 1', /response\.nothing is not an attribute/],
  ['no_such(1)', /the function no_such is not supported/],
  ['response.code ==', /found = but expecting end of input/],
  ['[1].all(x, x > 0)', /macros that go through a list/],
])('refuses the expression %s when it arrives', (expression, fault) => {
  expect(() => compileLogFilter({ kind: 'expression', expression }, () => 0)).toThrow(fault);
});
