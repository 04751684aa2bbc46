/**
 * Retries, tries and timeouts: the same bootstrap file, run by Envoy and then by our sidecar, against a backend that fails by script. Equal must be the caller's status, the log's flags and
 * details, the attempts that the backend saw and what they said of themselves, and the cluster's counters. Each case has a route and a cluster of its own.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { type Json, listener, staticBootstrap, staticCluster } from './envoy-resources.ts';
import { ask, type Exchange, type Question } from './exchange.ts';
import { Stage } from './programs.ts';
import { ScriptedBackend, type ScriptLine } from './scripted-backend.ts';

interface Case {
  readonly script: readonly ScriptLine[];
  /** Of the route's action. */
  readonly action?: Json;
  /** Of the route beside it. */
  readonly route?: Json;
  /** Of the virtual host, which is then one of its own. */
  readonly host?: Json;
  readonly cluster?: Json;
  readonly question?: Question;
  readonly http2?: boolean;
  /** Nobody listens. */
  readonly closed?: boolean;
  /** Not compared, with the reason. */
  readonly differs?: { readonly what: ReadonlyArray<keyof Outcome>; readonly because: string };
}

interface Outcome {
  /** 0: the answer was cut. */
  readonly status: number;
  readonly grpcStatus: string;
  readonly flags: string;
  readonly details: string;
  readonly attempts: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
}

const answer = (status: number, headers: Readonly<Record<string, string>> = {}, afterMs = 0): ScriptLine => ({
  kind: 'answer',
  status,
  headers,
  afterMs,
});
const ok = answer(200);
const reset: ScriptLine = { kind: 'reset' };
const retry = (retryOn: string, fields: Json = {}): Json => ({
  retry_policy: { retry_on: retryOn, num_retries: 2, retry_back_off: { base_interval: '0.001s' }, ...fields },
});
const grpc: Question = { method: 'POST', headers: { 'content-type': 'application/grpc', te: 'trailers' } };
const grpcWithin = (grpcTimeout: string): Question => ({
  ...grpc,
  headers: { ...grpc.headers, 'grpc-timeout': grpcTimeout },
});
const late = answer(200, {}, 1500);
const grpcAnswer = (status: number, headers: Readonly<Record<string, string>> = {}): ScriptLine =>
  answer(200, { 'content-type': 'application/grpc', 'grpc-status': String(status), ...headers });
/** Trusted by both: Envoy believes what an internal address says. */
const asking = (headers: Readonly<Record<string, string>>): Question => ({
  headers: { 'x-forwarded-for': '10.0.0.1', ...headers },
});
const textOfTheSystem = { what: ['details'], because: 'Envoy adds what the system says of the connection' } as const;
const flagOfDuration = { what: ['flags'], because: 'ours says UMSDR, Envoy nothing' } as const;
const streamDuration: Json = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http_protocol_options: {} },
      common_http_protocol_options: { max_stream_duration: '0.3s' },
    },
  },
};
const withoutPlaces: Json = { circuit_breakers: { thresholds: [{ max_retries: 0 }] } };

const retries: Readonly<Record<string, Case>> = {
  '5xx-then-ok': { script: [answer(503), answer(500), ok], action: retry('5xx') },
  '5xx-used-up': { script: [answer(503), answer(502), answer(500)], action: retry('5xx') },
  '5xx-of-body': { script: [{ kind: 'answer', status: 503, body: 'sorry' }, ok], action: retry('5xx') },
  'post-5xx': { script: [answer(503), ok], action: retry('5xx'), question: { method: 'POST', body: 'abc' } },
  'not-asked': { script: [answer(503)], action: retry('retriable-4xx,connect-failure') },
  'no-policy': { script: [answer(503)] },
  'empty-policy': { script: [answer(503)], action: { retry_policy: {} } },
  'default-number': { script: [answer(503)], action: { retry_policy: { retry_on: '5xx' } } },
  none: { script: [answer(503)], action: retry('5xx', { num_retries: 0 }) },
  'gateway-error': { script: [answer(502), answer(504), answer(500)], action: retry('gateway-error') },
  'gateway-error-reset': { script: [reset, ok], action: retry('gateway-error') },
  'retriable-4xx': { script: [answer(409), answer(404)], action: retry('retriable-4xx') },
  'status-codes': {
    script: [answer(418), answer(419)],
    action: retry('retriable-status-codes', { retriable_status_codes: [418] }),
  },
  'status-codes-without-condition': { script: [answer(418)], action: retry('5xx', { retriable_status_codes: [418] }) },
  headers: {
    script: [answer(200, { 'x-again': 'please' }), answer(200, { 'x-again': 'enough' })],
    action: retry('retriable-headers', {
      retriable_headers: [{ name: 'x-again', string_match: { exact: 'please' } }],
    }),
  },
  'headers-status': {
    script: [answer(404), ok],
    action: retry('retriable-headers', { retriable_headers: [{ name: ':status', string_match: { exact: '404' } }] }),
  },
  'rate-limited': { script: [answer(503, { 'x-envoy-ratelimited': 'true' })], action: retry('5xx') },
  'rate-limited-asked': {
    script: [answer(429, { 'x-envoy-ratelimited': 'true' }), ok],
    action: retry('envoy-ratelimited'),
  },
  'request-headers-no': {
    script: [answer(503)],
    action: retry('5xx', { retriable_request_headers: [{ name: 'x-safe', present_match: true }] }),
  },
  'request-headers-yes': {
    script: [answer(503), ok],
    action: retry('5xx', { retriable_request_headers: [{ name: 'x-safe', present_match: true }] }),
    question: { headers: { 'x-safe': '1' } },
  },
  reset: { script: [reset, reset, ok], action: retry('reset') },
  'reset-used-up': { script: [reset], action: retry('reset') },
  'reset-not-asked': { script: [reset], action: retry('retriable-4xx') },
  'reset-no-policy': { script: [reset] },
  'reset-before-request': { script: [reset], action: retry('reset-before-request') },
  'reset-h2': { script: [reset, ok], action: retry('reset'), http2: true },
  'reset-h2-used-up': { script: [reset], action: retry('5xx'), http2: true },
  refused: {
    script: [{ kind: 'refuse' }, ok],
    action: retry('refused-stream'),
    http2: true,
    differs: { what: ['counters'], because: 'the first repeats of a request that was refused are free' },
  },
  'connect-failure': {
    script: [],
    action: retry('connect-failure'),
    closed: true,
    differs: textOfTheSystem,
  },
  'connect-failure-5xx': {
    script: [],
    action: retry('5xx', { num_retries: 1 }),
    closed: true,
    differs: textOfTheSystem,
  },
  'connect-failure-not-asked': { script: [], action: retry('retriable-4xx'), closed: true, differs: textOfTheSystem },
  'no-host': {
    script: [],
    action: retry('5xx,connect-failure'),
    cluster: { load_assignment: { cluster_name: 'no-host' } },
  },
  overflow: { script: [answer(503)], action: retry('5xx'), cluster: withoutPlaces },
  'overflow-reset': { script: [reset], action: retry('5xx'), cluster: withoutPlaces },
  'budget-none': {
    script: [answer(503)],
    action: retry('5xx'),
    cluster: {
      circuit_breakers: {
        thresholds: [{ max_retries: 9, retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 } }],
      },
    },
  },
  'budget-floor': {
    script: [answer(503), ok],
    action: retry('5xx'),
    cluster: { circuit_breakers: { thresholds: [{ max_retries: 0, retry_budget: {} }] } },
  },
  'high-priority-overflow': {
    script: [answer(503)],
    action: { ...retry('5xx'), priority: 'HIGH' },
    cluster: { circuit_breakers: { thresholds: [{ priority: 'HIGH', max_retries: 0 }] } },
  },
  'high-priority-place': {
    script: [answer(503), ok],
    action: { ...retry('5xx'), priority: 'HIGH' },
    cluster: withoutPlaces,
  },
  'high-priority-full': {
    script: [ok],
    action: { ...retry('5xx'), priority: 'HIGH' },
    cluster: { circuit_breakers: { thresholds: [{ priority: 'HIGH', max_requests: 0, max_pending_requests: 0 }] } },
  },
  full: {
    script: [ok],
    action: retry('5xx'),
    cluster: { circuit_breakers: { thresholds: [{ max_requests: 0, max_pending_requests: 0 }] } },
  },
  'grpc-unavailable': { script: [grpcAnswer(14), grpcAnswer(0)], action: retry('unavailable'), question: grpc },
  'grpc-used-up': { script: [grpcAnswer(14)], action: retry('unavailable'), question: grpc },
  'grpc-each': {
    script: [grpcAnswer(1), grpcAnswer(4), grpcAnswer(8), grpcAnswer(13), grpcAnswer(14), grpcAnswer(2)],
    action: retry('cancelled,deadline-exceeded,internal,resource-exhausted,unavailable', { num_retries: 9 }),
    question: grpc,
  },
  'grpc-not-asked': { script: [grpcAnswer(13)], action: retry('unavailable'), question: grpc },
  'grpc-reset': { script: [reset], action: retry('5xx'), question: grpc },
  'per-try': { script: [answer(200, {}, 1500), ok], action: retry('5xx', { per_try_timeout: '0.3s' }) },
  'per-try-used-up': { script: [answer(200, {}, 1500)], action: retry('5xx', { per_try_timeout: '0.3s' }) },
  'per-try-reset': { script: [answer(200, {}, 1500), ok], action: retry('reset', { per_try_timeout: '0.3s' }) },
  'per-try-not-asked': {
    script: [answer(200, {}, 1500)],
    action: retry('refused-stream', { per_try_timeout: '0.3s' }),
  },
  'per-try-no-condition': {
    script: [answer(200, {}, 1500)],
    action: { retry_policy: { per_try_timeout: '0.3s' } },
  },
  'per-try-longer-than-whole': {
    script: [answer(200, {}, 1500)],
    action: { ...retry('5xx', { per_try_timeout: '0.4s' }), timeout: '0.3s' },
  },
  'per-try-begun': {
    script: [{ kind: 'stall', stallMs: 700 }],
    action: retry('5xx', { per_try_timeout: '0.3s' }),
  },
  'per-try-idle': { script: [answer(200, {}, 1500), ok], action: retry('5xx', { per_try_idle_timeout: '0.3s' }) },
  'per-try-idle-used-up': {
    script: [answer(200, {}, 1500)],
    action: retry('5xx', { per_try_idle_timeout: '0.3s', num_retries: 1 }),
  },
  whole: { script: [answer(200, {}, 1500)], action: { ...retry('5xx'), timeout: '0.2s' } },
  'whole-in-pause': {
    script: [answer(503)],
    // Full jitter: one in 500 pauses would be short enough.
    action: { ...retry('5xx', { retry_back_off: { base_interval: '100s', max_interval: '100s' } }), timeout: '0.2s' },
  },
  'retry-after-beyond-the-time': {
    script: [answer(503, { 'retry-after': '1' })],
    action: {
      ...retry('5xx', { rate_limited_retry_back_off: { reset_headers: [{ name: 'retry-after' }] } }),
      timeout: '0.2s',
    },
    differs: {
      what: ['status', 'flags', 'details', 'counters'],
      because: 'ours gives the answer at hand at once, when nobody would wait as long as the service asks',
    },
  },
  'retry-after': {
    script: [answer(503, { 'Retry-After': '1' }), ok],
    action: retry('5xx', { rate_limited_retry_back_off: { reset_headers: [{ name: 'retry-after' }] } }),
  },
  'retry-after-too-long': {
    script: [answer(503, { 'Retry-After': '100' }), ok],
    action: retry('5xx', {
      rate_limited_retry_back_off: { reset_headers: [{ name: 'retry-after' }], max_interval: '2s' },
    }),
    differs: {
      what: ['status', 'attempts', 'counters'],
      because:
        'a pause beyond max_interval and beyond the request too is not obeyed less than a shorter one: ours does not ask again',
    },
  },
  overloaded: {
    script: [answer(503, { 'x-envoy-overloaded': 'true' }), ok],
    action: retry('gateway-error'),
    differs: {
      what: ['status', 'attempts', 'counters'],
      because:
        'ours does not ask again who sheds load, unless the policy names the header; Envoy has done so since 1.15',
    },
  },
  'overloaded-asked': {
    script: [answer(503, { 'x-envoy-overloaded': 'true' }), ok],
    action: retry('retriable-headers', {
      retriable_headers: [{ name: 'x-envoy-overloaded', present_match: true }],
    }),
  },
  'overloaded-used-up': {
    script: [answer(503, { 'x-envoy-overloaded': 'true' })],
    action: retry('gateway-error,retriable-headers', {
      retriable_headers: [{ name: 'x-envoy-overloaded', present_match: true }],
    }),
  },
  'overloaded-asked-by-caller': {
    script: [answer(503, { 'x-envoy-overloaded': 'true' }), ok],
    action: retry('retriable-headers'),
    question: asking({ 'x-envoy-retriable-header-names': 'x-envoy-overloaded' }),
  },
  'retry-after-unnamed': { script: [answer(503, { 'Retry-After': '100' }), ok], action: retry('5xx') },
  hedge: {
    script: [answer(200, {}, 1500), ok],
    action: { ...retry('5xx', { per_try_timeout: '0.3s' }), hedge_policy: { hedge_on_per_try_timeout: true } },
  },
  'hedge-first-wins': {
    script: [answer(200, {}, 480), answer(200, {}, 1500)],
    action: {
      ...retry('5xx', { per_try_timeout: '0.3s', num_retries: 1 }),
      hedge_policy: { hedge_on_per_try_timeout: true },
    },
  },
  'hedge-bad-then-good': {
    script: [answer(503, {}, 480), answer(200, {}, 900)],
    action: {
      ...retry('5xx', { per_try_timeout: '0.3s', num_retries: 1 }),
      hedge_policy: { hedge_on_per_try_timeout: true },
    },
  },
  'hedge-both-bad': {
    script: [answer(503, {}, 700), answer(500)],
    action: {
      ...retry('5xx', { per_try_timeout: '0.3s', num_retries: 1 }),
      hedge_policy: { hedge_on_per_try_timeout: true },
    },
  },
  'hedge-time-over': {
    script: [answer(200, {}, 1500)],
    action: {
      ...retry('5xx', { per_try_timeout: '0.3s' }),
      timeout: '0.75s',
      hedge_policy: { hedge_on_per_try_timeout: true },
    },
  },
  'body-too-long': {
    script: [answer(503), ok],
    action: retry('5xx'),
    route: { per_request_buffer_limit_bytes: 10 },
    question: { method: 'POST', body: 'x'.repeat(100) },
  },
  'body-too-long-reset': {
    script: [reset, ok],
    action: retry('5xx'),
    route: { per_request_buffer_limit_bytes: 10 },
    question: { method: 'POST', body: 'x'.repeat(100) },
  },
  'body-long': {
    script: [answer(503), ok],
    action: retry('5xx'),
    question: { method: 'POST', body: 'x'.repeat(200_000) },
  },
  'host-policy': {
    script: [answer(503), ok],
    host: { retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '0.001s' } } },
  },
  'host-policy-not-merged': {
    script: [answer(503)],
    action: { retry_policy: { num_retries: 3 } },
    host: { retry_policy: { retry_on: '5xx' } },
  },
  'attempt-count': {
    script: [answer(503), ok],
    action: retry('5xx'),
    host: { include_attempt_count_in_response: true },
  },
  'asked-retry-on': {
    script: [answer(503), answer(503), ok],
    question: asking({ 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '2' }),
  },
  'asked-more': {
    script: [answer(503)],
    action: retry('5xx'),
    question: asking({ 'x-envoy-max-retries': '4' }),
  },
  'asked-unknown': { script: [answer(503)], question: asking({ 'x-envoy-retry-on': 'whatever' }) },
  'asked-grpc': {
    script: [grpcAnswer(8), grpcAnswer(0)],
    question: {
      ...grpc,
      headers: { ...grpc.headers, 'x-forwarded-for': '10.0.0.1', 'x-envoy-retry-grpc-on': 'resource-exhausted' },
    },
  },
  'asked-codes': {
    script: [answer(418), answer(404)],
    action: retry('retriable-status-codes'),
    question: asking({ 'x-envoy-retriable-status-codes': '418, 419' }),
  },
  'asked-header-names': {
    script: [answer(200, { 'x-again': '' }), ok],
    action: retry('retriable-headers'),
    question: asking({ 'x-envoy-retriable-header-names': 'X-Other, X-Again' }),
  },
  'asked-per-try': {
    script: [answer(200, {}, 1500)],
    question: asking({ 'x-envoy-upstream-rq-per-try-timeout-ms': '300' }),
  },
  'asked-empty-on-timeout': {
    script: [answer(200, {}, 1500)],
    question: asking({ 'x-envoy-upstream-rq-timeout-ms': '150', 'x-envoy-upstream-rq-timeout-alt-response': '1' }),
  },
  'asked-hedge': {
    script: [answer(200, {}, 1500), ok],
    action: retry('5xx', { per_try_timeout: '0.3s' }),
    question: asking({ 'x-envoy-hedge-on-per-try-timeout': 'true' }),
  },
};

const timeouts: Readonly<Record<string, Case>> = {
  'duration-route': {
    differs: flagOfDuration,
    script: [late],
    action: { max_stream_duration: { max_stream_duration: '0.2s' } },
  },
  'duration-begun': {
    differs: flagOfDuration,
    script: [{ kind: 'stall', stallMs: 1500 }],
    action: { max_stream_duration: { max_stream_duration: '0.2s' } },
  },
  'duration-none': {
    script: [answer(200, {}, 300)],
    action: { max_stream_duration: { max_stream_duration: '0s' } },
  },
  'duration-of-cluster': { script: [late], cluster: streamDuration },
  'duration-of-cluster-begun': { script: [{ kind: 'stall', stallMs: 1500 }], cluster: streamDuration },
  'duration-of-cluster-retried': { script: [late, ok], action: retry('reset'), cluster: streamDuration },
  'duration-of-cluster-used-up': {
    script: [late],
    action: retry('5xx', { num_retries: 1 }),
    cluster: streamDuration,
  },
  idle: { script: [late], action: { idle_timeout: '0.2s' } },
  'idle-begun': { script: [{ kind: 'stall', stallMs: 1500 }], action: { idle_timeout: '0.2s' } },
  'whole-begun': { script: [{ kind: 'stall', stallMs: 1500 }], action: { timeout: '0.2s' } },
  'whole-none': { script: [answer(200, {}, 300)], action: { timeout: '0s' } },
  'grpc-whole': {
    differs: {
      what: ['grpcStatus'],
      because: 'a deadline is DEADLINE_EXCEEDED (needs-and-defaults.md); Envoy says UNAVAILABLE',
    },
    script: [late],
    action: { timeout: '0.2s' },
    question: grpc,
  },
  'grpc-timeout': {
    differs: flagOfDuration,
    script: [late],
    action: { max_stream_duration: { grpc_timeout_header_max: '0s' } },
    question: grpcWithin('200m'),
  },
  'grpc-timeout-capped': {
    differs: flagOfDuration,
    script: [late],
    action: { max_stream_duration: { grpc_timeout_header_max: '0.2s' } },
    question: grpcWithin('5S'),
  },
  'grpc-timeout-offset': {
    differs: flagOfDuration,
    script: [late],
    action: { max_stream_duration: { grpc_timeout_header_max: '0s', grpc_timeout_header_offset: '0.3s' } },
    question: grpcWithin('500m'),
  },
  'grpc-timeout-offset-beyond': {
    differs: { what: ['flags', 'attempts'], because: 'as above; and whether it was sent before it was over is chance' },
    script: [late],
    action: { max_stream_duration: { grpc_timeout_header_max: '0s', grpc_timeout_header_offset: '1s' } },
    question: grpcWithin('500m'),
  },
  'grpc-timeout-absent': {
    script: [late],
    action: { timeout: '0.3s', max_stream_duration: { grpc_timeout_header_max: '0.2s' } },
    question: grpc,
  },
  'grpc-timeout-longer-than-whole': {
    differs: flagOfDuration,
    script: [late],
    action: { timeout: '0.2s', max_stream_duration: { grpc_timeout_header_max: '0s' } },
    question: grpcWithin('400m'),
  },
  'grpc-timeout-unheeded': { script: [answer(200, {}, 300)], question: grpcWithin('100m') },
};
const cases: Readonly<Record<string, Case>> = { ...retries, ...timeouts };

const counterNames = [
  'upstream_rq_retry',
  'upstream_rq_retry_success',
  'upstream_rq_retry_limit_exceeded',
  'upstream_rq_retry_overflow',
  'upstream_rq_retry_backoff_exponential',
  'upstream_rq_retry_backoff_ratelimited',
  'upstream_rq_per_try_timeout',
  'upstream_rq_per_try_idle_timeout',
  'upstream_rq_timeout',
  'upstream_rq_max_duration_reached',
  'retry_or_shadow_abandoned',
  'upstream_rq_completed',
];
const countersPattern = /^(retry\.upstream_rq_.+|upstream_rq_\d(\d\d|xx))$/;

describe('the same failures under Envoy and under the sidecar', () => {
  const stage = new Stage();
  const outcomes = { envoy: new Map<string, Outcome>(), sidecar: new Map<string, Outcome>() };
  const backend = new ScriptedBackend(new Map(Object.entries(cases).map(([name, { script }]) => [name, script])));

  beforeAll(async () => {
    await backend.start();
    const [admin, main, closed] = (await freePorts(3)) as [number, number, number];
    for (const program of ['envoy', 'sidecar'] as const) {
      const log = join(stage.folder, `${program}.log`);
      const proxy = await stage[program](bootstrap(program, log, { admin, main, closed }));
      backend.forget();
      const answers = new Map<string, { readonly status: number; readonly grpcStatus: string }>();
      const waiting = Object.entries(cases);
      const worker = async (): Promise<void> => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const [name, { question }] = next;
          const exchange = await ask(main, {
            ...question,
            host: `${name}.test`,
            path: `/${name}/`,
            headers: { 'x-case': name, ...question?.headers },
          }).catch(() => ({ status: 0, headers: {} as Exchange['headers'] }));
          answers.set(name, { status: exchange.status, grpcStatus: String(exchange.headers['grpc-status'] ?? '') });
        }
      };
      // Few at a time: the times of some are short.
      await Promise.all(Array.from({ length: 6 }, worker));
      let lines = new Map<string, readonly string[]>();
      await waitFor('the access log', 10_000, async () => {
        lines = logged(log);
        return lines.size === answers.size;
      });
      const stats = await proxy.admin('/stats');
      for (const name of Object.keys(cases)) {
        const [flags = '', details = ''] = lines.get(name) ?? [];
        outcomes[program].set(name, {
          ...answers.get(name)!,
          flags,
          details,
          attempts: backend.attempts(name),
          counters: countersOf(name, stats),
        });
      }
      await proxy.program.stop();
    }
  }, 120_000);
  afterAll(async () => {
    backend.stop();
    await stage.stop();
  });

  it.each(Object.keys(cases))('%s', (name) => {
    const envoy = outcomes.envoy.get(name)!;
    const ours = outcomes.sidecar.get(name)!;
    const { differs } = cases[name]!;
    const left = (outcome: Outcome): unknown =>
      Object.fromEntries(
        Object.entries(outcome).filter(([key]) => !(differs?.what ?? []).includes(key as keyof Outcome)),
      );
    expect(left(ours)).toEqual(left(envoy));
  });

  function bootstrap(
    program: 'envoy' | 'sidecar',
    log: string,
    ports: { readonly admin: number; readonly main: number; readonly closed: number },
  ): Json {
    const entries = Object.entries(cases);
    const routeConfiguration = {
      name: 'retries',
      virtual_hosts: entries.map(([name, { action, route, host }]) => ({
        name,
        domains: [`${name}.test`],
        // Ours says it from the second attempt on in any case.
        include_request_attempt_count: true,
        ...host,
        routes: [{ match: { prefix: '/' }, route: { cluster: name, ...action }, ...route }],
      })),
    };
    return staticBootstrap({
      adminPort: ports.admin,
      listeners: [
        listener(
          {
            name: 'main',
            port: ports.main,
            manager: {
              access_log: [
                {
                  name: 'envoy.access_loggers.file',
                  typed_config: {
                    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
                    path: log,
                    log_format: {
                      text_format_source: {
                        inline_string: '%REQ(X-CASE)% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n',
                      },
                    },
                  },
                },
              ],
              // What Envoy must be told before it believes anybody; in a mesh our callers are trusted by identity.
              ...(program === 'envoy'
                ? { internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } }
                : {}),
            },
          },
          routeConfiguration,
        ),
      ],
      clusters: entries.map(([name, { cluster, http2 = false, closed = false }]) => ({
        ...staticCluster({ name, http2 }, [closed ? ports.closed : http2 ? backend.http2Port : backend.http1Port]),
        ...cluster,
      })),
    });
  }
});

function logged(path: string): Map<string, readonly string[]> {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // Not written yet.
  }
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [name, flags, ...details] = line.split(' ');
      return [name!, [flags!, details.join(' ')]];
    }),
  );
}

/** Those that are not 0. */
function countersOf(name: string, stats: string): Record<string, number> {
  const prefix = `cluster.${name}.`;
  const found: Record<string, number> = {};
  for (const line of stats.split('\n')) {
    if (!line.startsWith(prefix)) continue;
    const [counter = '', value = ''] = line.slice(prefix.length).split(': ');
    if (value !== '0' && (counterNames.includes(counter) || countersPattern.test(counter)))
      found[counter] = Number(value);
  }
  return found;
}
