import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { HeaderFields } from '../codec/header-fields.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { AccessLogFilterConfig, JsonFormatConfig, LogFormatConfig } from '../config/access-log-config.ts';
import { ManualTime } from '../connection-manager/test/manual-time.ts';
import { connectionInfo, get } from '../connection-manager/test/stream-rig.ts';
import { Log } from '../runtime/log.ts';
import { StatStore } from '../stats/stat-store.ts';
import { AccessLogFiles } from './access-log-sink.ts';
import { AccessLogger } from './access-logger.ts';
import { compileTextFormat } from './log-format.ts';
import type { LoggedStream } from './log-record.ts';
import { linesTo, writeLine } from './test/lines-to.ts';

function finished(overrides: Partial<LoggedStream> = {}): LoggedStream {
  return {
    head: get('/rewritten', HeaderFields.of(['User-Agent', 'curl'], ['X-Two', 'a'], ['x-two', 'b'])),
    originalPath: '/asked?for',
    version: '1.1',
    requestId: 'id-1',
    grpc: false,
    traceId: '',
    spanId: '',
    trace: null,
    startMs: 1000,
    requestWholeMs: 1000.5,
    firstByteMs: 1007,
    lastAttempt: {
      ...{ sentMs: 1001, firstByteMs: 1007, endedMs: 1009 },
      ...{ failure: null, stream: { connection: { localEnd: '10.0.0.9:40001' } } },
    },
    status: 200,
    flag: '',
    details: 'via_upstream',
    grpcStatus: '',
    bytesReceived: 3,
    bytesSent: 5,
    attempts: 1,
    notRetried: '',
    upstreamHost: '10.0.0.1:80',
    upstreamServiceTimeMs: 7,
    route: { name: 'r' },
    target: { name: 'outbound|80||orders.shop' },
    responseHead: { fields: HeaderFields.of(['X-Cache', 'hit']), version: '1.1' },
    responseTrailers: null,
    policy: '',
    dryRunDeniedBy: '',
    decidedBy: '',
    metadata: null,
    ...overrides,
  };
}

function logged(
  format: LogFormatConfig,
  stream: LoggedStream = finished(),
  filter: AccessLogFilterConfig | null = null,
): string | undefined {
  const lines: string[] = [];
  new AccessLogger(
    { sink: { kind: 'stdout', format }, filter },
    { accessLogSinks: linesTo(lines), clock: new ManualTime(), random: () => 0 },
  ).write(stream, connectionInfo, 12.3456);
  return lines[0];
}

function json(fields: ReadonlyArray<readonly [string, JsonFormatConfig]>, omitEmpty = false): LogFormatConfig {
  return { kind: 'json', value: { fields }, omitEmpty };
}

function text(format: string, omitEmpty = false): LogFormatConfig {
  return { kind: 'text', text: format, omitEmpty };
}

/** As the control plane asks for it. */
const errors: AccessLogFilterConfig = {
  kind: 'any-of',
  filters: [
    { kind: 'compare', of: 'status', operator: 'least', value: 500 },
    { kind: 'flags', flags: [] },
  ],
};

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
    not_retried: null,
    request_id: 'id-1',
    trace_id: null,
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
  const formats: LogFormatConfig[] = [
    { kind: 'default' },
    json([
      ['path', '%REQ(:PATH)%'],
      ['mixed', 'x %REQ(USER-AGENT)%'],
    ]),
    text('%REQ(:PATH)% %REQ(USER-AGENT)%\n'),
  ];
  for (const format of formats) {
    const line = logged(format, stream)!;
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/);
    if (format.kind === 'default') expect(JSON.parse(line)).toMatchObject({ path: `/${hostile}`, user_agent: hostile });
  }
});

test("Envoy's operators, in text and in JSON with numbers", () => {
  const format =
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %DURATION% %REQ(X-TWO)% %REQ(NONE):3% %RESP(X-CACHE):2% 100%%';
  expect(logged(text(format))).toMatch(/^\[2026-.*Z\] "GET \/asked\?for HTTP\/1\.1" 200 - 5 12 a,b - hi 100%$/);
  const line = logged(
    json([
      ['code', '%RESPONSE_CODE%'],
      ['flags', '%RESPONSE_FLAGS%'],
      ['both', '%ROUTE_NAME% %UPSTREAM_HOST%'],
      ['grpc', '%GRPC_STATUS%'],
      ['plain', 'text'],
    ]),
    finished({ grpc: true, grpcStatus: '14' }),
  );
  expect(JSON.parse(line!)).toEqual({
    code: 200,
    flags: '-',
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
  const line = logged(json(fields), stream)!;
  expect(line).not.toContain('\u009b');
  expect(JSON.parse(line)).toEqual({
    ...{ dry: 'denied', id: 'shop/orders#rule-0', result: 'allowed', sub: 'alice\u009b', admin: true, age: 7 },
    ...{ user: { sub: 'alice\u009b', admin: true, age: 7, roles: ['a'] }, cut: ['a'], none: null, nobody: null },
  });
  const format = `%DYNAMIC_METADATA(${jwt}:users:roles)% %DYNAMIC_METADATA(nobody:x)%`;
  expect(logged(text(format), stream)).toBe('["a"] -');
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
  '%START_TIME(%Q)%',
  '%DYNAMIC_METADATA%',
  '%DYNAMIC_METADATA()%',
  '%DYNAMIC_METADATA(a:)%',
  '%__PROTO__%',
  '%CONSTRUCTOR%',
])('refuses %s, by name', (format) => {
  expect(() => compileTextFormat(format)).toThrow('not supported');
});

test('filter errors: status 500 and above, or any flag', () => {
  const line = (overrides: Partial<LoggedStream>): boolean =>
    logged({ kind: 'default' }, finished(overrides), errors) !== undefined;
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
    { sink: { kind: 'stdout', format: { kind: 'default' } }, filter: errors },
    { accessLogSinks: linesTo(lines), clock: new ManualTime(), random: () => 0 },
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
  const files = new AccessLogFiles(new StatStore(), quiet, new ManualTime());
  const writer = files.open({ kind: 'file', path });
  expect(files.open({ kind: 'file', path })).toBe(writer);
  writeLine(writer, 'one');
  await files.close();
  renameSync(path, `${path}.1`);
  files.reopen();
  writeLine(writer, 'two');
  await files.close();
  expect([readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')]).toEqual(['one\n', 'two\n']);
});

test('what was gathered before a reopen is written when the log is closed, and before what follows', async () => {
  const path = join(folder, 'reopened.log');
  const files = new AccessLogFiles(new StatStore(), quiet, new ManualTime());
  const writer = files.open({ kind: 'file', path });
  for (let i = 0; i < 1000; i++) writeLine(writer, 'x'.repeat(899));
  files.reopen();
  writeLine(writer, 'behind it');
  files.reopen();
  await files.close();
  const text = readFileSync(path, 'utf8');
  expect([text.length, text.endsWith('x\nbehind it\n')]).toEqual([900_010, true]);
});

test('past a bound lines are dropped and counted, not kept', () => {
  const stats = new StatStore();
  const writer = new AccessLogFiles(stats, quiet, new ManualTime()).open({
    kind: 'file',
    path: join(folder, 'full.log'),
  });
  const line = 'x'.repeat(100_000);
  for (let i = 0; i < 20; i++) writeLine(writer, line);
  expect(stats.counters.get('access_log_file.write_buffered')!.value).toBe(10);
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBe(10);
});

test('a file that cannot be opened costs lines, not the process, and is tried again', async () => {
  const stats = new StatStore();
  const errors: string[] = [];
  const files = new AccessLogFiles(
    stats,
    new Log(new ManualTime(), 'info', true, (line) => errors.push(line)),
    new ManualTime(),
  );
  const writer = files.open({ kind: 'file', path: join(folder, 'no', 'such', 'folder.log') });
  writeLine(writer, 'one');
  await files.close();
  expect(errors[0]).toContain('lines are lost until it can be written');
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBe(1);
});

test('a destination that stays broken is told once, and again only after it worked', async () => {
  const errors: string[] = [];
  const time = new ManualTime();
  const files = new AccessLogFiles(
    new StatStore(),
    new Log(time, 'info', true, (line) => errors.push((JSON.parse(line) as { message: string }).message)),
    time,
  );
  const path = join(folder, 'later', 'access.log');
  const writer = files.open({ kind: 'file', path });
  const write = async (line: string): Promise<void> => {
    time.advance(1000);
    writeLine(writer, line);
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

test('a destination that is broken is left alone for a second, and its lines are counted', async () => {
  const time = new ManualTime();
  const stats = new StatStore();
  const files = new AccessLogFiles(stats, quiet, time);
  const writer = files.open({ kind: 'file', path: join(folder, 'pause', 'access.log') });
  writeLine(writer, 'one');
  await files.close();
  mkdirSync(join(folder, 'pause'));
  writeLine(writer, 'two');
  await files.close();
  expect(existsSync(join(folder, 'pause', 'access.log'))).toBe(false);
  time.advance(1000);
  writeLine(writer, 'three');
  await files.close();
  expect(readFileSync(join(folder, 'pause', 'access.log'), 'utf8')).toBe('three\n');
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBe(2);
  expect(stats.counters.get('access_log_file.write_completed')!.value).toBe(1);
});

test('lines that follow closely upon each other are written together, one that comes alone at once', async () => {
  const time = new ManualTime();
  const written: string[] = [];
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      written.push(chunk.toString());
      callback();
    },
  });
  const files = new AccessLogFiles(new StatStore(), quiet, time, { stdout, stderr: stdout }, time.wheel);
  const writer = files.open({ kind: 'stdout' });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  writeLine(writer, 'alone');
  await turn();
  expect(written).toEqual(['alone\n']);
  for (const line of ['one', 'two']) {
    writeLine(writer, line);
    await turn();
  }
  expect(written.length).toBe(1);
  time.advance(120);
  expect(written.slice(1)).toEqual(['one\ntwo\n']);
  // As much as a write takes does not wait.
  writeLine(writer, 'x'.repeat(270_000));
  await turn();
  expect(written[2]!.length).toBe(270_001);
  time.advance(200);
  writeLine(writer, 'alone again');
  await turn();
  expect(written[3]).toBe('alone again\n');
});

const hasPipes = spawnSync('mkfifo', [join(folder, 'fifo')]).status === 0;

test.skipIf(!hasPipes)('a pipe that nobody reads costs lines, not the process and not a thread', async () => {
  const path = join(folder, 'fifo');
  const stats = new StatStore();
  const errors: string[] = [];
  const time = new ManualTime();
  const files = new AccessLogFiles(stats, new Log(time, 'info', true, (line) => errors.push(line)), time);
  expect(files.fileFault(path)).toBeNull();
  const writer = files.open({ kind: 'file', path });
  writeLine(writer, 'lost');
  await files.close();
  expect(errors[0]).toContain('ENXIO');
  expect(stats.counters.get('access_log_file.write_failed')!.value).toBe(1);
  // Its reader comes, and reads nothing.
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  time.advance(1000);
  for (let i = 0; i < 40; i++) {
    writeLine(writer, 'x'.repeat(99_999));
    files.flush();
  }
  await new Promise((resolve) => setImmediate(resolve));
  const failed = stats.counters.get('access_log_file.write_failed')!.value;
  expect(failed).toBeGreaterThan(20);
  // It reads: what was kept arrives, whole lines in their order.
  let text = '';
  await expect
    .poll(
      () => {
        text += readAvailable(reader);
        return text.length;
      },
      { interval: 1, timeout: 10_000 },
    )
    .toBe((41 - failed) * 100_000);
  expect(new Set(text.split('\n').map((line) => line.length))).toEqual(new Set([99_999, 0]));
  closeSync(reader);
});

function readAvailable(fd: number): string {
  const buffer = Buffer.alloc(65_536);
  let text = '';
  try {
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer))
      text += buffer.toString('latin1', 0, read);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  }
  return text;
}

test.skipIf(!existsSync('/dev/full'))('a full disk costs lines, not the process', async () => {
  const stats = new StatStore();
  const errors: string[] = [];
  const files = new AccessLogFiles(
    stats,
    new Log(new ManualTime(), 'info', true, (line) => errors.push(line)),
    new ManualTime(),
  );
  const writer = files.open({ kind: 'file', path: '/dev/full' });
  writeLine(writer, 'one');
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
  const files = new AccessLogFiles(stats, log, new ManualTime(), { stdout: gone, stderr: gone });
  const writer = files.open({ kind: 'stdout' });
  for (const line of ['one', 'two']) {
    writeLine(writer, line);
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
  const files = new AccessLogFiles(stats, quiet, new ManualTime(), { stdout: stuck, stderr: stuck });
  const writer = files.open({ kind: 'stdout' });
  for (let i = 0; i < 20; i++) {
    writeLine(writer, 'x'.repeat(100_000));
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
    grpc: true,
    grpcStatus: '5',
    responseTrailers: HeaderFields.of(['grpc-message', 'no such order']),
    attempts: 2,
  });
  expect(JSON.parse(logged(json(fields), stream)!)).toEqual({
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
  const names = ['UPSTREAM_CLUSTER', 'UPSTREAM_HOST', 'ROUTE_NAME', 'GRPC_STATUS', 'GRPC_STATUS_NUMBER', 'REQ(X-NONE)'];
  const stream = finished({ route: null, target: null, upstreamHost: '', responseHead: null });
  const line = logged(json(names.map((name) => [name, `%${name}%`] as const)), stream);
  expect(JSON.parse(line!)).toEqual(Object.fromEntries(names.map((name) => [name, null])));
  const format = names.map((name) => `%${name}%`).join(' ');
  expect(logged(text(format), stream)).toBe('- - - - - -');
});

const quiet = new Log(new ManualTime(), 'off', true, () => {});
