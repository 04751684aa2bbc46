import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { connectionInfo, get } from '../connection-manager/test/stream-rig.ts';
import { Log } from '../runtime/log.ts';
import { StatStore } from '../stats/stat-store.ts';
import { AccessLogFiles } from './access-log-sink.ts';
import { AccessLogger } from './access-logger.ts';
import { compileLogFormat } from './log-format.ts';
import type { LoggedStream } from './log-record.ts';

function finished(overrides: Partial<LoggedStream> = {}): LoggedStream {
  return {
    head: get('/rewritten', HeaderFields.of(['User-Agent', 'curl'], ['X-Two', 'a'], ['x-two', 'b'])),
    originalPath: '/asked?for',
    version: '1.1',
    requestId: 'id-1',
    status: 200,
    flag: '',
    details: 'via_upstream',
    grpcStatus: '',
    bytesReceived: 3,
    bytesSent: 5,
    attempts: 1,
    upstreamHost: '10.0.0.1:80',
    upstreamServiceTimeMs: 7,
    route: { name: 'r' },
    target: { name: 'outbound|80||orders.shop' },
    responseHead: { fields: HeaderFields.of(['X-Cache', 'hit']) },
    responseTrailers: null,
    policy: '',
    dryRunDeniedBy: '',
    decidedBy: '',
    metadata: null,
    ...overrides,
  };
}

function logged(
  format: AccessLogConfig['format'],
  stream: LoggedStream = finished(),
  filter: AccessLogConfig['filter'] = 'all',
): string | undefined {
  const lines: string[] = [];
  const logger = new AccessLogger(
    { sink: { kind: 'stdout' }, format, filter },
    { accessLogSinks: { open: () => ({ writeLine: (line) => lines.push(line) }) }, clock: new ManualTime() },
  );
  logger.write(stream, connectionInfo, 12.3456);
  return lines[0];
}

test('the default line has every field, null where there is nothing', () => {
  expect(JSON.parse(logged({ kind: 'default' })!)).toEqual({
    start_time: new Date(1_790_000_001_000 - 12.3456).toISOString(),
    method: 'GET',
    path: '/asked?for',
    authority: 'orders.shop',
    protocol: 'HTTP/1.1',
    status: 200,
    flags: null,
    details: 'via_upstream',
    policy: null,
    dry_run_denied_by: null,
    grpc_status: null,
    bytes_received: 3,
    bytes_sent: 5,
    duration_ms: 12.346,
    upstream_service_time_ms: 7,
    upstream_host: '10.0.0.1:80',
    cluster: 'outbound|80||orders.shop',
    route: 'r',
    attempts: 1,
    request_id: 'id-1',
    user_agent: 'curl',
    x_forwarded_for: null,
    downstream_remote: '10.1.2.3:4567',
    downstream_peer: null,
    downstream_local: '127.0.0.1:15001',
    listener: 'outbound',
  });
});

test('nothing that a caller sends breaks a line or reaches a terminal raw (hardening.md)', () => {
  const hostile = '"\\\n\r\u001b[2J\u007f\u009b31m\u2028';
  const stream = finished({
    originalPath: `/${hostile}`,
    head: get(`/${hostile}`, HeaderFields.of(['user-agent', hostile])),
  });
  const formats: AccessLogConfig['format'][] = [
    { kind: 'default' },
    {
      kind: 'json',
      fields: [
        ['path', '%REQ(:PATH)%'],
        ['mixed', 'x %REQ(USER-AGENT)%'],
      ],
    },
    { kind: 'text', text: '%REQ(:PATH)% %REQ(USER-AGENT)%\n' },
  ];
  for (const format of formats) {
    const line = logged(format, stream)!;
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/);
    if (format.kind === 'default') expect(JSON.parse(line)).toMatchObject({ path: `/${hostile}`, user_agent: hostile });
  }
});

test("Envoy's operators, in text and in JSON with numbers", () => {
  const text =
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %DURATION% %REQ(X-TWO)% %REQ(NONE):3% %RESP(X-CACHE):2% 100%%';
  expect(logged({ kind: 'text', text })).toMatch(
    /^\[2026-.*Z\] "GET \/asked\?for HTTP\/1\.1" 200 - 5 12 a,b - hi 100%$/,
  );
  const line = logged(
    {
      kind: 'json',
      fields: [
        ['code', '%RESPONSE_CODE%'],
        ['flags', '%RESPONSE_FLAGS%'],
        ['both', '%ROUTE_NAME% %UPSTREAM_HOST%'],
        ['grpc', '%GRPC_STATUS%'],
        ['plain', 'text'],
      ],
    },
    finished({ grpcStatus: '14' }),
  );
  expect(JSON.parse(line!)).toEqual({
    code: 200,
    flags: null,
    both: 'r 10.0.0.1:80',
    grpc: 'Unavailable',
    plain: 'text',
  });
});

test('what gates found out, by namespace and keys; the decision of rules in force too', () => {
  const stream = finished({
    policy: 'shop/orders#rule-0',
    dryRunDeniedBy: 'none',
    metadata: new Map<string, unknown>([
      ['envoy.filters.http.rbac', { dry_run_shadow_engine_result: 'denied' }],
      ['envoy.filters.http.jwt_authn', { users: { sub: 'alice\u009b', admin: true, age: 7, roles: ['a'] } }],
    ]),
  });
  const jwt = 'envoy.filters.http.jwt_authn';
  const fields = [
    ['dry', '%DYNAMIC_METADATA(envoy.filters.http.rbac:dry_run_shadow_engine_result)%'],
    ['id', '%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_effective_policy_id)%'],
    ['result', '%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_engine_result)%'],
    ['sub', `%DYNAMIC_METADATA(${jwt}:users:sub)%`],
    ['admin', `%DYNAMIC_METADATA(${jwt}:users:admin)%`],
    ['age', `%DYNAMIC_METADATA(${jwt}:users:age)%`],
    ['user', `%DYNAMIC_METADATA(${jwt}:users)%`],
    ['cut', `%DYNAMIC_METADATA(${jwt}:users:roles):3%`],
    ['none', `%DYNAMIC_METADATA(${jwt}:users:constructor)%`],
    ['nobody', '%DYNAMIC_METADATA(nobody)%'],
  ] as const;
  const line = logged({ kind: 'json', fields }, stream)!;
  expect(line).not.toContain('\u009b');
  expect(JSON.parse(line)).toEqual({
    ...{ dry: 'denied', id: 'shop/orders#rule-0', result: 'allowed', sub: 'alice\u009b', admin: true, age: 7 },
    ...{ user: { sub: 'alice\u009b', admin: true, age: 7, roles: ['a'] }, cut: '["a', none: null, nobody: null },
  });
  const text = `%DYNAMIC_METADATA(${jwt}:users:roles)% %DYNAMIC_METADATA(nobody:x)%`;
  expect(logged({ kind: 'text', text }, stream)).toBe('["a"] -');
});

test('the policy of a line: what refused it; else the rules that say most, before an outside service that was asked', () => {
  const policy = (overrides: Partial<LoggedStream>): unknown =>
    (JSON.parse(logged({ kind: 'default' }, finished(overrides))!) as Record<string, unknown>)['policy'];
  expect(policy({ flag: 'UAEX', policy: 'shop/allow#rule-0', decidedBy: 'shop/ask' })).toBe('shop/ask');
  expect(policy({ flag: 'RBAC', policy: 'shop/deny#rule-0', decidedBy: 'shop/ask' })).toBe('shop/deny#rule-0');
  expect(policy({ policy: 'shop/allow#rule-0', decidedBy: 'shop/ask' })).toBe('shop/allow#rule-0');
  expect(policy({ policy: 'none', decidedBy: 'shop/ask' })).toBe('shop/ask');
  expect(policy({ policy: 'none' })).toBe('none');
  expect(policy({})).toBeNull();
});

test('the policies of a line are cut: their names are as long as the configuration likes', () => {
  const line = logged({ kind: 'default' }, finished({ policy: 'p'.repeat(300), dryRunDeniedBy: 'none' }))!;
  expect(JSON.parse(line)).toMatchObject({ policy: `${'p'.repeat(256)}…`, dry_run_denied_by: 'none' });
});

test.each([
  '%NOPE%',
  '%REQ%',
  '%REQ(',
  'a % b',
  '%START_TIME(%Y)%',
  '%DYNAMIC_METADATA%',
  '%DYNAMIC_METADATA()%',
  '%DYNAMIC_METADATA(a:)%',
  '%__PROTO__%',
  '%CONSTRUCTOR%',
])('refuses %s, by name', (format) => {
  expect(() => compileLogFormat(format)).toThrow('not supported');
});

test('filter errors: status 500 and above, or any flag', () => {
  const line = (overrides: Partial<LoggedStream>): boolean =>
    logged({ kind: 'default' }, finished(overrides), 'errors') !== undefined;
  expect([
    line({}),
    line({ status: 404 }),
    line({ status: 500 }),
    line({ status: 404, flag: 'NR' }),
    line({ flag: 'DC' }),
  ]).toEqual([false, false, true, true, true]);
});

test('a request that never became a stream is logged too', () => {
  const lines: string[] = [];
  const logger = new AccessLogger(
    { sink: { kind: 'stdout' }, format: { kind: 'default' }, filter: 'errors' },
    { accessLogSinks: { open: () => ({ writeLine: (line) => lines.push(line) }) }, clock: new ManualTime() },
  );
  logger.writeRefusal(
    new ProxyError({ flag: 'DPE', source: 'downstream', details: 'http1.codec_error', message: 'Bad.', status: 400 }),
    'http1',
    connectionInfo,
  );
  expect(JSON.parse(lines[0]!)).toMatchObject({ status: 400, flags: 'DPE', method: null, protocol: 'HTTP/1.1' });
});

const folder = mkdtempSync(join(tmpdir(), 'outrigger-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('appends to a file, and to a new one after reopen (SIGUSR1, logrotate)', async () => {
  const path = join(folder, 'access.log');
  const files = new AccessLogFiles(new StatStore(), quiet);
  const writer = files.open({ kind: 'file', path });
  expect(files.open({ kind: 'file', path })).toBe(writer);
  writer.writeLine('one');
  await files.close();
  renameSync(path, `${path}.1`);
  files.reopen();
  writer.writeLine('two');
  await files.close();
  expect([readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')]).toEqual(['one\n', 'two\n']);
});

test('past a bound lines are dropped and counted, not kept', () => {
  const stats = new StatStore();
  const writer = new AccessLogFiles(stats, quiet).open({ kind: 'file', path: join(folder, 'full.log') });
  const line = 'x'.repeat(100_000);
  for (let i = 0; i < 20; i++) writer.writeLine(line);
  expect(stats.counters.get('access_log_file.write_total_buffered')!.value).toBe(10);
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBe(10);
});

test('a file that cannot be opened costs lines, not the process, and is tried again', async () => {
  const stats = new StatStore();
  const errors: string[] = [];
  const files = new AccessLogFiles(stats, new Log(new ManualTime(), 'info', true, (line) => errors.push(line)));
  const writer = files.open({ kind: 'file', path: join(folder, 'no', 'such', 'folder.log') });
  writer.writeLine('one');
  await files.close();
  expect(errors[0]).toContain('lines are lost until it can be written');
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBe(1);
});

test('a destination that stays broken is told once, and again only after it worked', async () => {
  const errors: string[] = [];
  const files = new AccessLogFiles(
    new StatStore(),
    new Log(new ManualTime(), 'info', true, (line) => errors.push((JSON.parse(line) as { message: string }).message)),
  );
  const path = join(folder, 'later', 'access.log');
  const writer = files.open({ kind: 'file', path });
  const write = async (line: string): Promise<void> => {
    writer.writeLine(line);
    await files.close();
  };
  await write('one');
  await write('two');
  await write('three');
  expect(errors.length).toBe(1);
  expect(errors[0]).toMatch(/^access log .*ENOENT.*lines are lost until it can be written$/);
  mkdirSync(join(folder, 'later'));
  await write('four');
  expect(errors.slice(1)).toEqual([`access log ${path} can be written again`]);
  expect(readFileSync(path, 'utf8')).toBe('four\n');
  files.reopen();
  await files.close();
  rmSync(join(folder, 'later'), { recursive: true });
  await write('five');
  expect(errors.length).toBe(3);
});

test.skipIf(!existsSync('/dev/full'))('a full disk costs lines, not the process', async () => {
  const stats = new StatStore();
  const errors: string[] = [];
  const files = new AccessLogFiles(stats, new Log(new ManualTime(), 'info', true, (line) => errors.push(line)));
  const writer = files.open({ kind: 'file', path: '/dev/full' });
  writer.writeLine('one');
  await files.close();
  await expect.poll(() => errors.join()).toContain('ENOSPC');
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBe(1);
});

test('a reader of stdout that has gone costs lines, not the process (EPIPE)', async () => {
  const stats = new StatStore();
  const errors: string[] = [];
  // As process.stdout: every write fails, and the stream is never destroyed.
  const gone = new Writable({
    autoDestroy: false,
    write: (_chunk, _encoding, callback) => callback(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  });
  const log = new Log(new ManualTime(), 'info', true, (line) => errors.push(line));
  const files = new AccessLogFiles(stats, log, { stdout: gone, stderr: gone });
  const writer = files.open({ kind: 'stdout' });
  for (const line of ['one', 'two']) {
    writer.writeLine(line);
    files.flush();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(errors.length).toBe(1);
  expect(errors[0]).toContain('access log stdout: write EPIPE');
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBeGreaterThan(0);
});

test('a reader of stdout that is stuck costs lines past the bound, not memory', () => {
  const stats = new StatStore();
  const stuck = new Writable({ write: () => {} });
  const files = new AccessLogFiles(stats, quiet, { stdout: stuck, stderr: stuck });
  const writer = files.open({ kind: 'stdout' });
  for (let i = 0; i < 20; i++) {
    writer.writeLine('x'.repeat(100_000));
    files.flush();
  }
  expect(stuck.writableLength).toBeLessThanOrEqual(1024 * 1024);
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBe(10);
});

test("every other operator of Envoy's that is taken", () => {
  const fields = [
    'DOWNSTREAM_REMOTE_ADDRESS',
    'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
    'DOWNSTREAM_DIRECT_REMOTE_ADDRESS',
    'DOWNSTREAM_LOCAL_ADDRESS',
    'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
    'DOWNSTREAM_LOCAL_PORT',
    'RESPONSE_CODE_DETAILS',
    'BYTES_RECEIVED',
    'UPSTREAM_HOST',
    'UPSTREAM_REMOTE_ADDRESS',
    'UPSTREAM_CLUSTER',
    'UPSTREAM_REQUEST_ATTEMPT_COUNT',
    'ROUTE_NAME',
    'GRPC_STATUS_NUMBER',
    'STREAM_ID',
    'REQ(:AUTHORITY)',
    'REQ(HOST)',
    'REQ(:SCHEME)',
    'REQ(:PATH)',
    'RESP(:STATUS)',
    'TRAILER(GRPC-MESSAGE)',
    'TRAILER(NONE?GRPC-MESSAGE)',
  ].map((name) => [name, `%${name}%`] as const);
  const stream = finished({
    grpcStatus: '5',
    responseTrailers: HeaderFields.of(['grpc-message', 'no such order']),
    attempts: 2,
  });
  expect(JSON.parse(logged({ kind: 'json', fields }, stream)!)).toEqual({
    DOWNSTREAM_REMOTE_ADDRESS: '10.1.2.3:4567',
    DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: '10.1.2.3',
    DOWNSTREAM_DIRECT_REMOTE_ADDRESS: '10.1.2.3:4567',
    DOWNSTREAM_LOCAL_ADDRESS: '127.0.0.1:15001',
    DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: '127.0.0.1',
    DOWNSTREAM_LOCAL_PORT: 15001,
    RESPONSE_CODE_DETAILS: 'via_upstream',
    BYTES_RECEIVED: 3,
    UPSTREAM_HOST: '10.0.0.1:80',
    UPSTREAM_REMOTE_ADDRESS: '10.0.0.1:80',
    UPSTREAM_CLUSTER: 'outbound|80||orders.shop',
    UPSTREAM_REQUEST_ATTEMPT_COUNT: 2,
    ROUTE_NAME: 'r',
    GRPC_STATUS_NUMBER: 5,
    STREAM_ID: 'id-1',
    'REQ(:AUTHORITY)': 'orders.shop',
    'REQ(HOST)': 'orders.shop',
    'REQ(:SCHEME)': 'http',
    'REQ(:PATH)': '/rewritten',
    'RESP(:STATUS)': '200',
    'TRAILER(GRPC-MESSAGE)': 'no such order',
    'TRAILER(NONE?GRPC-MESSAGE)': 'no such order',
  });
});

test('what is absent is null in JSON and a dash in text', () => {
  const names = ['RESPONSE_FLAGS', 'UPSTREAM_HOST', 'ROUTE_NAME', 'GRPC_STATUS', 'GRPC_STATUS_NUMBER', 'REQ(X-NONE)'];
  const stream = finished({ route: null, target: null, upstreamHost: '', responseHead: null });
  const json = logged({ kind: 'json', fields: names.map((name) => [name, `%${name}%`] as const) }, stream);
  expect(JSON.parse(json!)).toEqual(Object.fromEntries(names.map((name) => [name, null])));
  const text = names.map((name) => `%${name}%`).join(' ');
  expect(logged({ kind: 'text', text }, stream)).toBe('- - - - - -');
});

const quiet = new Log(new ManualTime(), 'off', true, () => {});
