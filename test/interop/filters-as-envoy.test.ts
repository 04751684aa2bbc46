/**
 * Faults, local and global rate limits and adaptive concurrency, run by Envoy and then by our sidecar from the same bootstrap: the same statuses, flags, details, headers and counters.
 */
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { ask, type Question } from './exchange.ts';
import { type FilterPorts, filtersBootstrap, globals } from './filters-bootstrap.ts';
import { type RunningProxy, Stage } from './programs.ts';
import { RateLimitServer } from './rate-limit-server.ts';

interface Case extends Question {
  readonly port?: 'main' | 'strict' | 'admission';
}

const grpc = { 'content-type': 'application/grpc', te: 'trailers' };
const users = (...names: readonly string[]): readonly Question[] =>
  names.map((name) => ({ headers: { 'x-user': name } }));

/** In this order: limits remember. */
const cases: Readonly<Record<string, readonly Case[]>> = {
  'fault: delay': [{ path: '/fault/delay/' }],
  'fault: abort': [{ path: '/fault/abort/' }, { path: '/fault/abort/', headers: grpc, method: 'POST' }],
  'fault: delay, then abort': [{ path: '/fault/both/' }],
  'fault: gRPC status': [{ path: '/fault/grpc/' }, { path: '/fault/grpc/', headers: grpc, method: 'POST' }],
  'fault: none of them': [{ path: '/fault/never/' }],
  'fault: asked for': [
    { path: '/fault/by-header/' },
    { path: '/fault/by-header/', headers: { 'x-envoy-fault-abort-request': '418' } },
    { path: '/fault/by-header/', headers: { 'x-envoy-fault-abort-grpc-request': '14' } },
    { path: '/fault/by-header/', headers: { 'x-envoy-fault-abort-request': '700' } },
    {
      path: '/fault/by-header/',
      headers: { 'x-envoy-fault-abort-request': '418', 'x-envoy-fault-abort-request-percentage': '0' },
    },
    { path: '/fault/by-header/', headers: { 'x-envoy-fault-delay-request': '20' } },
    {
      path: '/fault/by-header-half/',
      headers: { 'x-envoy-fault-abort-request': '418', 'x-envoy-fault-abort-request-percentage': '100' },
    },
    { path: '/other/', headers: { 'x-envoy-fault-abort-request': '418' } },
  ],
  'fault: for some requests': [
    { path: '/fault/some-requests/' },
    { path: '/fault/some-requests/', headers: { 'x-hit': '' } },
    { path: '/fault/another-cluster/' },
    { path: '/fault/this-cluster/' },
    { path: '/fault/some-nodes/' },
    { path: '/fault/some-nodes/', headers: { 'x-envoy-downstream-service-node': 'n1' } },
  ],
  'fault: too many at once': [{ path: '/fault/overflow/' }],
  'fault: slow answers': [{ path: '/fault/throttled/' }],
  'local: a bucket': Array.from({ length: 3 }, () => ({ path: '/local/plain/' })),
  'local: a bucket, gRPC': [{ path: '/local/plain/', headers: grpc, method: 'POST' }],
  'local: the limit is told': Array.from({ length: 3 }, () => ({ path: '/local/told/' })),
  'local: another status': Array.from({ length: 2 }, () => ({ path: '/local/status/' })),
  'local: RESOURCE_EXHAUSTED': Array.from({ length: 2 }, () => ({
    path: '/local/exhausted/',
    headers: grpc,
    method: 'POST',
  })),
  'local: not enforced': Array.from({ length: 2 }, () => ({ path: '/local/not-enforced/' })),
  'local: not enabled': Array.from({ length: 2 }, () => ({ path: '/local/not-enabled/' })),
  'local: headers': Array.from({ length: 2 }, () => ({ path: '/local/headers/' })),
  'local: by connection': Array.from({ length: 2 }, () => ({ path: '/local/per-connection/' })),
  'local: a descriptor and the default': [...users('alice', 'alice', 'bob'), {}, {}].map((each) => ({
    path: '/local/descriptor/',
    ...each,
  })),
  'local: a descriptor instead of the default': [...users('alice', 'alice', 'alice', 'bob', 'bob')].map((each) => ({
    path: '/local/descriptor-only/',
    ...each,
  })),
  'local: a bucket for each value': [...users('alice', 'alice', 'bob', 'bob', 'alice')].map((each) => ({
    path: '/local/wildcard/',
    ...each,
  })),
  ...Object.fromEntries(
    globals.map((name) => [
      `global: ${name}`,
      [
        { path: `/global/${name}/` },
        { path: `/global/${name}/`, port: 'strict' },
        { path: `/global/${name}/`, port: 'strict', headers: grpc, method: 'POST' },
      ] as readonly Case[],
    ]),
  ),
  'admission control: what succeeds': ['200', '404', '500', '503'].flatMap((status): readonly Case[] => [
    { path: '/', port: 'admission', headers: { 'x-status': status } },
    { path: '/', port: 'admission', headers: { 'x-status': status, ...grpc }, method: 'POST' },
  ]),
  'global: how requests are described': [
    { path: '/global/described/?q=one', headers: { 'x-user': 'alice' } },
    { path: '/global/described/?q=one' },
    { path: '/global/described/?q=two' },
    { path: '/global/described/?q=one', headers: { 'x-hit': '1' } },
    { path: '/global/described/?q=one', headers: { 'x-forwarded-for': '10.1.2.3' } },
  ],
};

/** Headers of answers that are compared: the others are compared elsewhere. */
const comparedHeaders = [
  'grpc-status',
  'x-envoy-ratelimited',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-from-service',
  'x-why',
  'x-app',
  'x-app-got',
];

/** Counters that are compared, by how their names begin. */
const comparedStats =
  /^(http\.main\.fault\.|local_[^.]*\.http_local_rate_limit\.|cluster\.app\.ratelimit\.|http\.adaptive\.adaptive_concurrency\.gradient_controller\.rq_blocked|http\.admission\.admission_control\.)/;

interface Outcome {
  readonly answers: Readonly<Record<string, readonly string[]>>;
  readonly asked: readonly string[];
  readonly adaptive: readonly string[];
  readonly stats: Readonly<Record<string, number>>;
}

const stage = new Stage();
const rls = new RateLimitServer();
const held: ServerResponse[] = [];
const app = createServer((request, response) => {
  request.resume();
  const got = ['x-over', 'x-for-app'].filter((name) => request.headers[name] !== undefined).join(',');
  response.statusCode = Number(request.headers['x-status'] ?? 200);
  response.setHeader('x-app', 'yes');
  if (got !== '') response.setHeader('x-app-got', got);
  if (request.url === '/held') held.push(response);
  else response.end(request.url === '/fault/throttled/' ? 'x'.repeat(4096) : 'hello');
});
let outcomes: { readonly envoy: Outcome; readonly sidecar: Outcome };

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    app.listen(0, '127.0.0.1', resolve);
  });
  const [admin, main, strict, adaptive, admission] = await freePorts(5);
  const ports: FilterPorts = {
    admin: admin!,
    main: main!,
    strict: strict!,
    adaptive: adaptive!,
    admission: admission!,
    app: (app.address() as AddressInfo).port,
    rls: await rls.start(),
  };
  const run = async (name: 'envoy' | 'sidecar'): Promise<Outcome> => {
    const logFile = join(stage.folder, `${name}.log`);
    const proxy = await stage[name](filtersBootstrap(ports, logFile));
    const outcome = await gather(proxy, ports, logFile);
    await proxy.program.stop();
    return outcome;
  };
  const envoy = await run('envoy');
  outcomes = { envoy, sidecar: await run('sidecar') };
}, 120_000);

afterAll(async () => {
  await stage.stop();
  rls.stop();
  app.closeAllConnections();
  app.close();
});

async function gather(proxy: RunningProxy, ports: FilterPorts, logFile: string): Promise<Outcome> {
  rls.asked.length = 0;
  const answers: Record<string, string[]> = {};
  let count = 0;
  for (const [name, questions] of Object.entries(cases)) {
    answers[name] = [];
    for (const { port = 'main', headers = {}, ...question } of questions) {
      const answer = await ask(ports[port], { ...question, headers: { ...headers, 'x-question': `q${count++}` } });
      const found = comparedHeaders.flatMap((header) =>
        answer.headers[header] === undefined ? [] : [`${header}: ${String(answer.headers[header])}`],
      );
      const body = answer.headers['x-app'] === undefined ? '' : ` ${answer.body.length} bytes`;
      answers[name].push([`${answer.status}${body}`, ...found].join('; '));
    }
  }
  const adaptive = await floodAdaptive(ports.adaptive);
  const lines = await logLines(logFile, count + adaptive.length);
  let at = 0;
  for (const list of Object.values(answers)) for (const i of list.keys()) list[i] += ` [${lines.get(`q${at++}`)}]`;
  const json = JSON.parse(await proxy.admin('/stats?format=json')) as {
    stats: ReadonlyArray<{ readonly name?: string; readonly value?: number }>;
  };
  const stats = json.stats.flatMap(({ name = '', value = 0 }) =>
    comparedStats.test(name) ? [[name, value] as const] : [],
  );
  return {
    answers,
    asked: [...rls.asked],
    adaptive: adaptive.map((answer, i) => `${answer} [${lines.get(`a${i}`)}]`),
    stats: Object.fromEntries(stats),
  };
}

/** Two requests are let in and held; the third is one too many. */
async function floodAdaptive(port: number): Promise<readonly string[]> {
  held.length = 0;
  const say = (i: number, headers = {}): Promise<string> =>
    ask(port, { path: '/held', headers: { ...headers, 'x-question': `a${i}` } }).then(({ status, headers: got }) =>
      got['grpc-status'] === undefined ? String(status) : `${status} ${String(got['grpc-status'])}`,
    );
  const first = [say(0), say(1)];
  await waitFor('two requests to be held', 5_000, async () => held.length === 2);
  const refused = [await say(2), await say(3, grpc)];
  for (const response of held) response.end('late');
  return [...(await Promise.all(first)), ...refused];
}

/** Flags and details by question. */
async function logLines(file: string, count: number): Promise<ReadonlyMap<string, string>> {
  const read = (): readonly string[] => readFileSync(file, 'utf8').trim().split('\n');
  await waitFor('the access log to be written', 20_000, async () => read().length >= count);
  return new Map(
    read().map((line) => {
      const [question, ...rest] = line.split(' ');
      return [question!, rest.join(' ')] as const;
    }),
  );
}

describe('the same answers, flags and details', () => {
  it.each(Object.keys(cases))('%s', (name) => {
    expect(outcomes.sidecar.answers[name]).toEqual(outcomes.envoy.answers[name]);
  });

  it('adaptive concurrency: what is beyond the limit', () => {
    expect(outcomes.sidecar.adaptive).toEqual(outcomes.envoy.adaptive);
    expect(outcomes.envoy.adaptive[2]).toContain('503 - reached_concurrency_limit');
  });
});

it('the service of global limits is asked the same', () => {
  expect(outcomes.sidecar.asked).toEqual(outcomes.envoy.asked);
  expect(outcomes.envoy.asked.length).toBeGreaterThan(globals.length);
});

it('the same counters', () => {
  const counted = (stats: Readonly<Record<string, number>>): unknown =>
    Object.fromEntries(Object.entries(stats).filter(([, value]) => value > 0));
  expect(counted(outcomes.sidecar.stats)).toEqual(counted(outcomes.envoy.stats));
});
