/**
 * Every response flag (sidecar/codec/response-flag.ts), provoked for real: a sidecar process, sockets, services that misbehave. What the caller gets, what the access log says and the label `flags` of the metrics have to agree.
 * A flag without a case here fails the types.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { responseFlags } from '../../sidecar/codec/response-flag.ts';
import { type Answer, call, eventually, StartedProcess, unusedPort } from './started-process.ts';

type Flag = keyof typeof responseFlags;
type Json = Readonly<Record<string, unknown>>;

const folder = mkdtempSync(join(tmpdir(), 'outrigger-flags-'));
const servers: Server[] = [];
const type = (name: string): string => `type.googleapis.com/${name}`;
const filter = (name: string, config: Json): Json => ({
  name: `envoy.filters.http.${name}`,
  typed_config: { '@type': type(`envoy.extensions.filters.http.${name}`), ...config },
});
let sidecar: StartedProcess;
let port = 0;
let tcpPort = 0;
let adminPort = 0;

/** What a caller gets; `flags`: as log and metrics have them; null: the answer is of somebody else, or there is none. */
interface Case {
  readonly flags: string;
  readonly status: number;
  readonly answered: 'by the sidecar' | 'by the service' | 'nobody';
  readonly headers?: Record<string, string>;
  /** What comes before, for this to happen. */
  readonly times?: number;
  /** Instead of a GET of the path. */
  readonly ask?: () => Promise<Answer | null>;
}

const own = (flags: string, status: number, more: Partial<Case> = {}): Case => ({
  flags,
  status,
  answered: 'by the sidecar',
  ...more,
});

const cases: Readonly<Record<Flag, Case>> = {
  UH: own('UH', 503),
  UF: own('UF', 503),
  UO: own('UO', 503),
  UC: own('UC', 503),
  UR: own('UR', 503),
  UT: own('UT', 504),
  URX: { flags: 'URX', status: 503, answered: 'by the service' },
  UPE: own('UPE', 502),
  UMSDR: own('UMSDR', 504),
  NR: own('NR', 404),
  NC: own('NC', 503),
  DC: { flags: 'DC', status: 499, answered: 'nobody', ask: () => leaveAfter('GET /dc HTTP/1.1\r\nhost: a\r\n\r\n') },
  DPE: own('DPE', 408, { ask: () => saying('POST /dpe HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\na') }),
  DT: { flags: 'DT', status: 0, answered: 'nobody', ask: () => untilClosed() },
  LR: { flags: 'LR', status: 503, answered: 'nobody' },
  SI: own('SI', 504),
  CB: own('CB', 503, { times: 2 }),
  DI: { flags: 'DI', status: 200, answered: 'by the service', headers: { 'x-envoy-fault-delay-request': '20' } },
  FI: own('FI', 418, { headers: { 'x-envoy-fault-abort-request': '418' } }),
  RL: own('RL', 429, { times: 2 }),
  RLSE: own('RLSE', 500),
  RBAC: own('RBAC', 403),
  UAEX: own('UAEX', 401),
  FB: { flags: 'UH,FB', status: 200, answered: 'by the service' },
};

beforeAll(async () => {
  const ok = await listening(createHttpServer((_, response) => void response.end('ok')));
  const failing = await listening(createHttpServer((_, response) => void response.writeHead(503).end('no')));
  const silent = await listening(createServer((socket) => void socket.on('error', () => {}).resume()));
  const closing = await listening(createServer((socket) => void socket.once('data', () => socket.destroy())));
  const garbage = await listening(
    createServer((socket) => void socket.once('data', () => socket.end('garbage\r\n\r\n'))),
  );
  const resetting = await listening(
    createHttp2Server().on('stream', (stream) => {
      stream.on('error', () => {});
      stream.close(2);
    }) as unknown as Server,
  );
  port = await unusedPort();
  tcpPort = await unusedPort();
  adminPort = await unusedPort();
  const nobody = await unusedPort();
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a', alg: 'ES256' }] });
  const to = (path: string, cluster: string, action: Json = {}, perFilter: Json = {}): Json => ({
    name: path,
    match: { path: `/${path}` },
    route: { cluster, timeout: '30s', ...action },
    typed_per_filter_config: perFilter,
  });
  const routes = [
    to('uh', 'empty'),
    to('uf', 'nobody'),
    to('uo', 'full'),
    to('uc', 'closing'),
    to('ur', 'resetting'),
    to('ut', 'silent', { timeout: '0.1s' }),
    to('urx', 'failing', { retry_policy: { retry_on: '5xx', num_retries: 1 } }),
    to('upe', 'garbage'),
    to('umsdr', 'silent', { timeout: '0s', max_stream_duration: { max_stream_duration: '0.1s' } }),
    to('nc', 'nothing'),
    to('dc', 'silent'),
    to('dpe', 'silent'),
    to('lr', 'silent', { timeout: '0s' }),
    to('si', 'silent', { timeout: '0s', idle_timeout: '0.1s' }),
    to('cb', 'breaking'),
    to('di', 'ok'),
    to('fi', 'ok'),
    to(
      'rl',
      'ok',
      {},
      {
        'envoy.filters.http.local_ratelimit': {
          '@type': type('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'),
          stat_prefix: 'rl',
          token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '3600s' },
          filter_enabled: { default_value: { numerator: 100 } },
          filter_enforced: { default_value: { numerator: 100 } },
        },
      },
    ),
    to('rlse', 'ok', { rate_limits: [{ actions: [{ generic_key: { descriptor_value: 'a' } }] }] }),
    to(
      'rbac',
      'ok',
      {},
      {
        'envoy.filters.http.rbac': {
          '@type': type('envoy.extensions.filters.http.rbac.v3.RBACPerRoute'),
          rbac: { rules: { action: 'ALLOW', policies: {} } },
        },
      },
    ),
    to('uaex', 'ok'),
    to(
      'fb',
      'empty',
      {},
      {
        'outrigger.fallback': {
          '@type': type('outrigger.resilience.v1.Fallback'),
          policy: 'TrafficPolicy shop/fb',
          answer: { status: 200, body: 'instead' },
          status_codes: [502, 503, 504],
        },
      },
    ),
  ];
  const manager = {
    '@type': type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'in',
    request_timeout: '0.2s',
    access_log: [stdout()],
    route_config: { name: 'r', validate_clusters: false, virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [
      filter('rbac', { '@type': type('envoy.extensions.filters.http.rbac.v3.RBAC') }),
      filter('jwt_authn', {
        '@type': type('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication'),
        providers: { p: { issuer: 'i', local_jwks: { inline_string: keys } } },
        rules: [{ match: { path: '/uaex' }, requires: { provider_name: 'p' } }],
      }),
      filter('local_ratelimit', {
        '@type': type('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'),
        stat_prefix: 'none',
      }),
      filter('ratelimit', {
        '@type': type('envoy.extensions.filters.http.ratelimit.v3.RateLimit'),
        domain: 'd',
        failure_mode_deny: true,
        rate_limit_service: {
          transport_api_version: 'V3',
          grpc_service: { envoy_grpc: { cluster_name: 'nobody-h2' }, timeout: '0.5s' },
        },
      }),
      filter('fault', {
        '@type': type('envoy.extensions.filters.http.fault.v3.HTTPFault'),
        delay: { header_delay: {}, percentage: { numerator: 100 } },
        abort: { header_abort: {}, percentage: { numerator: 100 } },
      }),
      filter('router', { '@type': type('envoy.extensions.filters.http.router.v3.Router') }),
    ],
  };
  const tcp = {
    '@type': type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: 'tcp',
    cluster: 'silent',
    max_downstream_connection_duration: '0.2s',
    access_log: [stdout()],
  };
  const h2 = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: {} },
    },
  };
  const cluster = (name: string, ports: readonly number[], more: Json = {}): Json => ({
    name,
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: ports.map((each) => ({ endpoint: { address: address(each) } })) }],
    },
    ...more,
  });
  const bootstrap = {
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'http',
          address: address(port),
          filter_chains: [
            { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
          ],
        },
        {
          name: 'tcp',
          address: address(tcpPort),
          filter_chains: [{ filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: tcp }] }],
        },
      ],
      clusters: [
        cluster('ok', [ok]),
        cluster('failing', [failing]),
        cluster('silent', [silent]),
        cluster('closing', [closing]),
        cluster('garbage', [garbage]),
        cluster('resetting', [resetting], { typed_extension_protocol_options: h2 }),
        cluster('nobody', [nobody]),
        cluster('nobody-h2', [nobody], { typed_extension_protocol_options: h2 }),
        cluster('empty', []),
        cluster('full', [ok], { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } }),
        cluster('breaking', [failing], {
          typed_extension_protocol_options: {
            'outrigger.circuit_breaker': {
              '@type': type('outrigger.resilience.v1.CircuitBreaker'),
              rule: 'TrafficPolicy shop/cb',
              consecutive_failures: 1,
              open_time: '600s',
            },
          },
        }),
      ],
    },
  };
  const file = join(folder, 'bootstrap.json');
  writeFileSync(file, JSON.stringify(bootstrap));
  sidecar = new StartedProcess(['sidecar', '--bootstrap', file, '--drain-time', '1']);
  await eventually(
    `the sidecar is ready: ${sidecar.output}`,
    async () => (await call(adminPort, '/ready')).status === 200,
  );
}, 60_000);

afterAll(async () => {
  await sidecar.stop('SIGKILL');
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

test.each(Object.entries(cases).filter(([flag]) => flag !== 'LR'))(
  '%s: answer, log line and metric say so',
  async (flag, { flags, status, answered, headers = {}, times = 1, ask }) => {
    const path = `/${flag.toLowerCase()}`;
    let answer: Answer | null = null;
    for (let i = 0; i < times; i++) answer = ask === undefined ? await call(port, path, { headers }) : await ask();
    if (answered !== 'nobody') expect(answer!.status).toBe(status);
    if (answered === 'by the sidecar') expect(JSON.parse(answer!.body)).toMatchObject({ flag });
    if (answered === 'by the service') expect(answer!.body).not.toContain('"flag"');
    const connection = responseFlags[flag as Flag].of === 'connections';
    await eventually(`a log line of ${flag}: ${sidecar.output}`, async () =>
      logged().some(
        (line) => line['flags'] === flags && (connection || (line['path'] === path && line['status'] === status)),
      ),
    );
    const { body } = await call(adminPort, '/stats/prometheus');
    const series = body.split('\n').filter((line) => line.includes(`flags="${flags}"`));
    const name = connection ? /^outrigger_tcp_\w+_total\{/ : /^outrigger_requests_total\{/;
    expect(series.filter((line) => name.test(line)).join('\n')).toMatch(/ [1-9]\d*$/);
    // The statuses of the list are those that a caller gets who does not ask for another.
    const { status: listed } = responseFlags[flag as Flag];
    if (listed !== null && answered === 'by the sidecar' && !['DPE', 'FI', 'UAEX'].includes(flag))
      expect(listed).toBe(status);
  },
);

test('LR: a request in hand when the drain time is over is cut, and the log says so', async () => {
  const cut = call(port, '/lr').then(
    () => 'answered',
    () => 'cut',
  );
  await eventually('the request is in hand', async () =>
    (await call(adminPort, '/stats?filter=silent.upstream_rq_active')).body.includes('upstream_rq_active: 1'),
  );
  await sidecar.stop();
  expect(['answered', 'cut']).toContain(await cut);
  expect(logged().find((line) => line['path'] === '/lr')).toMatchObject({ flags: 'LR' });
});

function stdout(): Json {
  return {
    name: 'envoy.access_loggers.stdout',
    typed_config: { '@type': type('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog') },
  };
}

function address(number: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: number } };
}

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function logged(): ReadonlyArray<Readonly<Record<string, unknown>>> {
  return sidecar.output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Sends bytes, and reads the answer to its end. */
function saying(text: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      resolve({ status: Number(head.split(' ')[1]), headers: {}, body });
    });
  });
}

/** Goes away when the request is with the service. */
async function leaveAfter(text: string): Promise<null> {
  const socket = connect(port, '127.0.0.1', () => socket.write(text));
  socket.on('error', () => {});
  await eventually('the request is in hand', async () =>
    (await call(adminPort, '/stats?filter=silent.upstream_rq_active')).body.includes('upstream_rq_active: 1'),
  );
  socket.resetAndDestroy();
  return null;
}

function untilClosed(): Promise<null> {
  return new Promise((resolve) => {
    const socket = connect(tcpPort, '127.0.0.1', () => socket.write('hello'));
    socket.on('error', () => {});
    socket.on('close', () => resolve(null));
  });
}
