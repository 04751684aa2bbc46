import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyError } from '../codec/proxy-error.ts';
import { RunningCluster } from './running-cluster.ts';
import {
  assignment,
  clusterConfig,
  endpoint,
  locality,
  ScriptedRequest,
  ScriptedUpstream,
} from './test/scripted-upstream.ts';

/** Everything that can happen to pools, in any order; `n` says to which of the things there are. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ask' as const), n: fc.nat(1) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('connect' as const), n: fc.nat(7) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ready' as const), n: fc.nat(7) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('finish' as const), n: fc.nat(15) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'fail',
        'close',
        'goaway',
        'cancel',
        'reset',
        'pass',
        'settings',
        'endpoints',
      ) as fc.Arbitrary<'fail'>,
      n: fc.nat(15),
    }),
  },
);

interface Run {
  readonly upstream: ScriptedUpstream;
  readonly cluster: RunningCluster;
  readonly requests: ScriptedRequest[];
  unused: number;
}

const endpoints = [
  assignment(locality([endpoint('10.0.0.1:80'), endpoint('10.0.0.2:80')])),
  assignment(locality([endpoint('10.0.0.1:80')])),
  assignment(locality([endpoint('10.0.0.2:80'), endpoint('10.0.0.3:80')])),
];
const limits = { maxConnections: 3, maxPendingRequests: 4, maxRequests: 6, maxRetries: 1 };

function pick<T>(items: readonly T[], n: number): T | undefined {
  return items.length === 0 ? undefined : items[n % items.length];
}

function happen(run: Run, kind: string, n: number): void {
  const { upstream, cluster, requests } = run;
  const live = upstream.codecs.filter(({ closed }) => !closed);
  switch (kind) {
    case 'ask':
      requests.push(new ScriptedRequest(cluster).ask(n === 0 ? '1.1' : '2'));
      break;
    case 'connect':
      pick(
        upstream.transports.filter(({ settled }) => !settled),
        n,
      )?.connect(n % 2 === 0 ? 'h2' : 'http/1.1');
      break;
    case 'ready':
      pick(live, n)?.owner.onReady();
      break;
    case 'finish':
      pick(
        requests.filter(({ stream, finished }) => stream !== null && !finished),
        n,
      )?.stream!.finish();
      break;
    case 'fail':
      pick(
        upstream.transports.filter(({ settled }) => !settled),
        n,
      )?.fail(n % 2 === 0 ? 'refused' : 'timeout');
      break;
    case 'close':
      pick(live, n)?.closeByPeer();
      break;
    case 'goaway':
      pick(live, n)?.goAway();
      break;
    case 'cancel':
      pick(
        requests.filter(({ waiting }) => waiting),
        n,
      )?.cancel();
      break;
    case 'reset': {
      const request = pick(
        requests.filter(({ stream, finished }) => stream !== null && !finished),
        n,
      );
      if (request === undefined) break;
      request.finished = true;
      request.stream!.reset();
      cluster.onResponse(request.host!, 0, 0);
      break;
    }
    case 'pass':
      upstream.pass(n * 700);
      break;
    case 'settings': {
      const codec = pick(
        live.filter(({ protocol }) => protocol === 'http2'),
        n,
      );
      if (codec === undefined) break;
      codec.maxStreams = n % 4;
      codec.owner.onStreamsAvailable();
      break;
    }
    case 'endpoints':
      cluster.setAssignment(endpoints[n % endpoints.length]!);
      break;
  }
}

/** Limits hold at every moment, and the books agree with what there is. */
function check({ upstream, cluster, requests }: Run): void {
  const { bulkhead } = cluster;
  const open =
    upstream.transports.filter(({ settled }) => !settled).length +
    upstream.codecs.filter(({ closed }) => !closed).length;
  const inFlight = requests.filter(({ stream, finished }) => stream !== null && !finished).length;
  const waiting = requests.filter((request) => request.waiting).length;
  expect(bulkhead.connections.taken).toBe(open);
  expect(upstream.gauge('cluster.payments.upstream_cx_active')).toBe(open);
  expect(bulkhead.pending.taken).toBe(waiting);
  expect(bulkhead.requests.taken).toBe(inFlight);
  expect(waiting).toBeLessThanOrEqual(limits.maxPendingRequests);
  expect(inFlight).toBeLessThanOrEqual(limits.maxRequests);
  // One more per pool without any: 3 hosts, each with pools for two protocols.
  expect(open).toBeLessThanOrEqual(limits.maxConnections + 6);
  expect(upstream.wheel.armedCount).toBeLessThanOrEqual(6);
}

describe.each(['http1', 'http2', 'same-as-downstream', 'auto'] as const)('connection pools (%s)', (protocol) => {
  it('whatever happens in whatever order: each request gets one answer, limits hold, nothing is left over', () => {
    const tls =
      protocol === 'auto'
        ? ({
            certificates: [],
            trustedCaPem: null,
            subjectAltNames: [],
            alpn: [],
            minVersion: 'TLSv1.3',
            maxVersion: 'TLSv1.3',
            serverName: '',
          } as const)
        : null;
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 150, size: 'max' }),
        fc.nat(3),
        fc.constantFrom(0, 2),
        fc.constantFrom('drain', 'destroy'),
        (steps, maxStreams, maxRequestsPerConnection, end) => {
          const upstream = new ScriptedUpstream();
          upstream.maxStreams = maxStreams + 1;
          const config = clusterConfig({
            protocol,
            tls,
            limits,
            maxRequestsPerConnection,
            idleTimeoutMs: 3_000,
            maxConnectionDurationMs: 20_000,
          });
          const run: Run = {
            upstream,
            requests: [],
            unused: 0,
            cluster: new RunningCluster(config, upstream.context, () => run.unused++),
          };
          run.cluster.setAssignment(endpoints[0]!);
          for (const { kind, n } of steps) {
            happen(run, kind, n);
            check(run);
          }
          const { cluster, requests } = run;
          if (end === 'destroy') {
            cluster.destroy(new ProxyError({ flag: 'UC', source: 'local', details: 'end', message: 'End.' }));
          } else {
            cluster.drain();
            check(run);
            // Let everything that is under way come to its end.
            for (
              let round = 0;
              round < 300 &&
              (requests.some((request) => request.waiting || (request.stream !== null && !request.finished)) ||
                !cluster.unused);
              round++
            ) {
              for (const codec of upstream.codecs) if (!codec.closed && codec.maxStreams === 0) codec.maxStreams = 1;
              upstream.connectAll(round % 2 === 0 ? 'h2' : 'http/1.1');
              for (const request of requests) if (request.stream !== null && !request.finished) request.stream.finish();
              check(run);
            }
          }
          for (const request of requests) {
            expect(request.waiting).toBe(false);
            expect(request.answers).toBe(request.cancelled ? 0 : 1);
            expect(request.finished).toBe(request.stream !== null);
          }
          expect(cluster.unused).toBe(true);
          expect(upstream.codecs.every(({ closed }) => closed)).toBe(true);
          expect(upstream.transports.every(({ settled }) => settled)).toBe(true);
          expect(upstream.wheel.armedCount).toBe(0);
          expect(run.unused > 0 || end === 'destroy').toBe(true);
          for (const name of ['upstream_cx_active', 'upstream_rq_active', 'upstream_rq_pending_active'])
            expect(upstream.gauge(`cluster.payments.${name}`)).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a burst of requests to one host', () => {
  const burst = (count: number) => {
    const upstream = new ScriptedUpstream();
    const cluster = new RunningCluster(clusterConfig(), upstream.context, () => {});
    cluster.setAssignment(assignment(locality([endpoint('10.0.0.1:80')])));
    const requests = Array.from({ length: count }, () => new ScriptedRequest(cluster).ask());
    const underWay = () => upstream.transports.filter(({ settled }) => !settled);
    return { upstream, requests, underWay, more: () => new ScriptedRequest(cluster).ask() };
  };

  it('has 64 connections on their way at once at first, two more for each that comes about, until all have one', () => {
    const { upstream, requests, underWay } = burst(200);
    expect(upstream.transports).toHaveLength(64);
    underWay()[0]!.connect();
    expect(underWay()).toHaveLength(65);
    while (underWay().length > 0) underWay()[0]!.connect();
    expect(upstream.transports).toHaveLength(200);
    expect(requests.every(({ stream }) => stream !== null)).toBe(true);
  });

  it('has half as many for each that could not be made, and no fewer than four', () => {
    const { upstream, requests, underWay, more } = burst(100);
    underWay()[0]!.fail('timeout');
    expect(requests.every(({ error }) => error !== null)).toBe(true);
    for (const transport of underWay()) transport.fail('timeout');
    const before = upstream.transports.length;
    for (let i = 0; i < 20; i++) more();
    expect(upstream.transports.length - before).toBe(4);
    underWay()[0]!.connect();
    expect(underWay()).toHaveLength(5);
  });
});
