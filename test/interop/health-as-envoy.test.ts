/**
 * The same bootstrap file with outlier detection and health checks, run by Envoy and then by our sidecar over the same failing backends: the same hosts are ejected and return, with the same
 * counters, and health checks make the same transitions. What is deliberately different is listed at the end.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import { type Json, listener, routeConfiguration, routeTo, staticBootstrap, staticCluster } from './envoy-resources.ts';
import { ask, type Question } from './exchange.ts';
import { EchoBackend, FailingBackend, GrpcHealthBackend, good } from './failing-backends.ts';
import { type RunningProxy, Stage } from './programs.ts';

const failing = { status: 503 };
const names = ['a', 'b', 'c', 'd', 'e'] as const;

/** What was seen of a cluster: host flags by name, and those counters that are not 0. */
interface Seen {
  readonly flags: Readonly<Record<string, string>>;
  readonly counters: Readonly<Record<string, number>>;
}

interface Scene {
  readonly port: number;
  readonly proxy: RunningProxy;
  readonly backends: Readonly<Record<(typeof names)[number], FailingBackend>>;
  readonly grpc: GrpcHealthBackend;
  ask(cluster: string, times?: number, question?: Question): Promise<void>;
  seen(cluster: string): Promise<Seen>;
  /** Waits until that host of the cluster shows these flags. */
  until(cluster: string, host: string, flags: string): Promise<void>;
}

const outlier = (cluster: string, ports: readonly number[], detection: Json): Json => ({
  ...staticCluster({ name: cluster }, ports),
  common_lb_config: { healthy_panic_threshold: { value: 0 } },
  outlier_detection: {
    interval: '0.3s',
    base_ejection_time: '600s',
    max_ejection_time: '600s',
    ...(detection as object),
  },
});

const checked = (cluster: string, ports: readonly number[], check: Json, more: Json = {}): Json => ({
  ...staticCluster({ name: cluster }, ports),
  common_lb_config: { healthy_panic_threshold: { value: 0 } },
  health_checks: [
    {
      timeout: '0.3s',
      interval: '0.1s',
      no_traffic_interval: '0.1s',
      unhealthy_threshold: 2,
      healthy_threshold: 2,
      ...(check as object),
    },
  ],
  ...(more as object),
});

const http: Json = { http_health_check: { path: '/healthz', host: 'health.test' } };

/** What is done in each case; what is seen then is compared. */
const cases: Readonly<Record<string, (scene: Scene) => Promise<readonly Seen[]>>> = {
  'consecutive 5xx: ejected at the threshold': async ({ ask: send, seen, until, backends }) => {
    backends.a.answers = failing;
    await send('consecutive', 2);
    const before = await seen('consecutive');
    await send('consecutive', 16);
    await until('consecutive', 'a', '/failed_outlier_check');
    return [before, await seen('consecutive')];
  },
  'a good answer in between begins anew': async ({ ask: send, seen, backends }) => {
    for (let round = 0; round < 3; round++) {
      backends.a.answers = failing;
      await send('interrupted', 6);
      backends.a.answers = good;
      await send('interrupted', 3);
    }
    return [await seen('interrupted')];
  },
  'no room (max_ejection_percent): overflow is counted': async ({ ask: send, seen, backends }) => {
    backends.a.answers = failing;
    await send('crowded', 18);
    return [await seen('crowded')];
  },
  always_eject_one_host: async ({ ask: send, seen, until, backends }) => {
    backends.a.answers = failing;
    await send('one-always', 12);
    await until('one-always', 'a', '/failed_outlier_check');
    return [await seen('one-always')];
  },
  'gateway failures, where they are enforced': async ({ ask: send, seen, until, backends }) => {
    backends.b.answers = { status: 502 };
    backends.a.answers = { status: 500 };
    await send('gateway', 12);
    await until('gateway', 'b', '/failed_outlier_check');
    return [await seen('gateway')];
  },
  'connection refused counts as 503': async ({ ask: send, seen, until }) => {
    await send('refused', 8);
    await until('refused', 'nobody', '/failed_outlier_check');
    return [await seen('refused')];
  },
  'connection refused, counted apart': async ({ ask: send, seen, until }) => {
    await send('split', 8);
    await until('split', 'nobody', '/failed_outlier_check');
    return [await seen('split')];
  },
  'a timeout counts as 504': async ({ ask: send, seen, until, backends }) => {
    backends.a.answers = { status: 200, silent: true };
    await send('timeouts', 6);
    await until('timeouts', 'a', '/failed_outlier_check');
    return [await seen('timeouts')];
  },
  'gRPC: UNAVAILABLE without a body counts as 503': async ({ ask: send, seen, until, backends }) => {
    backends.c.answers = {
      status: 200,
      headers: { 'content-type': 'application/grpc', 'content-length': '0', 'grpc-status': '14' },
    };
    await send('trailers', 18, { method: 'POST', headers: { 'content-type': 'application/grpc', te: 'trailers' } });
    await until('trailers', 'c', '/failed_outlier_check');
    return [await seen('trailers')];
  },
  'failure percentage over an interval': async ({ ask: send, seen, until, backends }) => {
    backends.d.answers = failing;
    await Promise.all([until('percentage', 'd', '/failed_outlier_check'), sendFor(send, 'percentage')]);
    const { flags, counters } = await seen('percentage');
    // How often 5xx in a row were found depends on how many were sent.
    return [
      { flags, counters: { enforced: counters['outlier_detection.ejections_enforced_failure_percentage'] ?? 0 } },
    ];
  },
  'an ejected host returns after its time': async ({ ask: send, seen, until, backends }) => {
    backends.a.answers = failing;
    await send('returning', 12);
    await until('returning', 'a', '/failed_outlier_check');
    backends.a.answers = good;
    await until('returning', 'a', 'healthy');
    return [await seen('returning')];
  },
  'HTTP checks: at the start, and transitions': async ({ seen, until, backends }) => {
    const start = await seen('checked');
    backends.a.checks = { status: 500 };
    await until('checked', 'a', '/failed_active_hc');
    backends.b.checks = good;
    await until('checked', 'b', 'healthy');
    backends.c.checks = { status: 200, headers: { 'x-envoy-degraded': 'yes' } };
    await until('checked', 'c', '/degraded_active_hc');
    return [withGauges(start), withGauges(await seen('checked'))];
  },
  'HTTP checks: a retriable status counts towards the threshold, a body and a name are looked at': async ({
    seen,
    until,
    backends,
  }) => {
    backends.a.checks = good;
    await until('strict', 'a', 'healthy');
    await until('strict', 'b', 'healthy');
    backends.a.checks = { status: 429, headers: { 'x-envoy-upstream-healthchecked-cluster': 'shop' } };
    await until('strict', 'a', '/failed_active_hc');
    return [withGauges(await seen('strict'))];
  },
  'x-envoy-immediate-health-check-fail of an answer': async ({ ask: send, seen, until, backends }) => {
    await until('immediate', 'a', 'healthy');
    backends.a.answers = { status: 200, headers: { 'x-envoy-immediate-health-check-fail': 'true' } };
    await send('immediate', 2);
    await until('immediate', 'a', '/failed_active_hc/excluded_via_immediate_hc_fail');
    const after = await seen('immediate');
    return [{ flags: after.flags, counters: { passive: after.counters['health_check.passive_failure'] ?? 0 } }];
  },
  'TCP checks: connection, and bytes expected': async ({ seen, until }) => {
    await until('tcp', 'echo', 'healthy');
    return [withGauges(await seen('tcp')), withGauges(await seen('tcp-mute'))];
  },
  'gRPC checks': async ({ seen, until, grpc }) => {
    await until('grpc', 'grpc', 'healthy');
    const first = await seen('grpc');
    grpc.serving = 2;
    await until('grpc', 'grpc', '/failed_active_hc');
    return [withGauges(first), withGauges(await seen('grpc'))];
  },
  'a check that passes ends an ejection': async ({ ask: send, seen, until, backends }) => {
    backends.a.checks = good;
    await until('both', 'a', 'healthy');
    backends.a.answers = failing;
    await send('both', 8);
    await until('both', 'a', 'healthy');
    const { flags, counters } = await seen('both');
    return [{ flags, counters: { active: counters['outlier_detection.ejections_active'] ?? 0 } }];
  },
};

async function sendFor(send: Scene['ask'], cluster: string): Promise<void> {
  for (let i = 0; i < 12; i++) await send(cluster, 60);
}

/** Counts of single checks depend on when one looks. */
function withGauges({ flags, counters }: Seen): Seen {
  const kept = ['health_check.healthy', 'health_check.degraded'];
  return { flags, counters: Object.fromEntries(kept.map((name) => [name, counters[name] ?? 0])) };
}

describe('the health of hosts, on Envoy and on the sidecar', () => {
  const stage = new Stage();
  const results = { envoy: new Map<string, readonly Seen[]>(), sidecar: new Map<string, readonly Seen[]>() };
  const lastHost = { envoy: '', sidecar: '' };

  async function bench(): Promise<{
    scene: Omit<Scene, 'proxy' | 'ask' | 'seen' | 'until'>;
    bootstrap: Json;
    hostNames: Map<number, string>;
    stop: () => void;
  }> {
    const [admin, port, nobody] = (await freePorts(3)) as [number, number, number];
    const started = await Promise.all(names.map((name) => new FailingBackend(name).start()));
    const backends = Object.fromEntries(started.map((each) => [each.name, each])) as Scene['backends'];
    const [a, b, c, d, e] = started.map((each) => each.port) as [number, number, number, number, number];
    const grpc = await new GrpcHealthBackend().start();
    const echo = await new EchoBackend().start();
    backends.b.checks = failing;
    backends.c.checks = { status: 200, silent: true };
    const clusters = [
      outlier('consecutive', [a, b, c], { consecutive_5xx: 3, max_ejection_percent: 70 }),
      outlier('interrupted', [a, b, c], { consecutive_5xx: 3, max_ejection_percent: 70 }),
      outlier('trailers', [a, b, c], { consecutive_5xx: 3, max_ejection_percent: 70 }),
      outlier('crowded', [a, b, c], { consecutive_5xx: 3, max_ejection_percent: 10 }),
      outlier('one-always', [a, b, c], { consecutive_5xx: 3, max_ejection_percent: 0, always_eject_one_host: true }),
      outlier('gateway', [a, b, c], {
        consecutive_5xx: 50,
        consecutive_gateway_failure: 2,
        enforcing_consecutive_gateway_failure: 100,
        max_ejection_percent: 50,
      }),
      outlier('refused', [nobody, a], { consecutive_5xx: 3, max_ejection_percent: 50 }),
      outlier('split', [nobody, a], {
        split_external_local_origin_errors: true,
        consecutive_local_origin_failure: 3,
        max_ejection_percent: 50,
      }),
      outlier('timeouts', [a, b], { consecutive_5xx: 2, max_ejection_percent: 50 }),
      outlier('percentage', [a, b, c, d, e], {
        consecutive_5xx: 1_000_000,
        consecutive_gateway_failure: 1_000_000,
        success_rate_minimum_hosts: 100,
        failure_percentage_minimum_hosts: 5,
        failure_percentage_request_volume: 5,
        failure_percentage_threshold: 50,
        enforcing_failure_percentage: 100,
        max_ejection_percent: 50,
      }),
      outlier('returning', [a, b], { consecutive_5xx: 3, max_ejection_percent: 50, base_ejection_time: '0.2s' }),
      outlier('last', [a], { consecutive_5xx: 2, max_ejection_percent: 100 }),
      checked('checked', [a, b, c], http),
      checked('strict', [a, b], {
        http_health_check: {
          path: '/healthz',
          expected_statuses: [{ start: 200, end: 201 }],
          retriable_statuses: [{ start: 429, end: 430 }],
        },
      }),
      checked('immediate', [a], { ...(http as object), interval: '60s', no_traffic_interval: '60s' }),
      checked('tcp', [echo.port, nobody], {
        tcp_health_check: { send: { text: '70696e67' }, receive: [{ text: '69' }, { text: '67' }] },
      }),
      checked('tcp-mute', [echo.port], { tcp_health_check: { send: { text: '70' }, receive: [{ text: '71' }] } }),
      checked(
        'grpc',
        [grpc.port],
        { grpc_health_check: { service_name: 'shop' } },
        staticCluster({ name: 'grpc', http2: true }, [grpc.port]),
      ),
      checked(
        'both',
        [a, b],
        { ...(http as object), unhealthy_threshold: 1, healthy_threshold: 1 },
        {
          outlier_detection: {
            consecutive_5xx: 2,
            max_ejection_percent: 50,
            base_ejection_time: '600s',
            max_ejection_time: '600s',
          },
        },
      ),
    ] as Array<Json & { name: string }>;
    // Those whose name begins another's come behind it.
    const routes = clusters
      .map(({ name }) => name)
      .toSorted((x, y) => y.length - x.length)
      .map((name) => ({
        match: { prefix: `/${name}` },
        route: { cluster: name, timeout: name === 'timeouts' ? '0.2s' : '5s' },
      }));
    const hostNames = new Map<number, string>([
      [nobody, 'nobody'],
      [grpc.port, 'grpc'],
      [echo.port, 'echo'],
    ]);
    for (const each of started) hostNames.set(each.port, each.name);
    return {
      scene: { port, backends, grpc },
      bootstrap: staticBootstrap({
        adminPort: admin,
        listeners: [listener({ name: 'main', port }, routeConfiguration('health', [...routes, routeTo('last')]))],
        clusters,
      }),
      hostNames,
      stop: () => {
        for (const each of [...started, grpc, echo]) each.stop();
      },
    };
  }

  beforeAll(async () => {
    // Each case on proxies of its own would take minutes: cases of one cluster come in the order above.
    for (const program of ['envoy', 'sidecar'] as const) {
      const { scene, bootstrap, hostNames, stop } = await bench();
      const proxy = await stage[program](bootstrap);
      const full: Scene = {
        ...scene,
        proxy,
        ask: async (cluster, times = 1, question = {}) => {
          for (let i = 0; i < times; i++) await ask(scene.port, { ...question, path: `/${cluster}` });
        },
        seen: async (cluster) => ({
          flags: await flagsOf(proxy, cluster, hostNames),
          counters: await countersOf(proxy, cluster),
        }),
        until: (cluster, host, flags) =>
          waitFor(`${program}: host ${host} of ${cluster} to be ${flags}`, 5_000, async () => {
            return (await flagsOf(proxy, cluster, hostNames))[host] === flags;
          }).then(() => {}),
      };
      for (const [name, run] of Object.entries(cases)) {
        results[program].set(
          name,
          await run(full).catch((error: unknown) => [{ flags: { failed: String(error) }, counters: {} }]),
        );
        for (const backend of Object.values(scene.backends)) backend.answers = good;
      }
      scene.backends.a.answers = failing;
      await full.ask('last', 6);
      lastHost[program] = (await flagsOf(proxy, 'last', hostNames))['a']!;
      await proxy.program.stop();
      stop();
    }
  }, 240_000);
  afterAll(() => stage.stop());

  it.each(Object.keys(cases))('%s', (name) => {
    expect(results.sidecar.get(name)).toEqual(results.envoy.get(name));
    expect(JSON.stringify(results.envoy.get(name))).not.toContain('failed":"');
  });

  it('different on purpose: the last host is not ejected at max_ejection_percent 100', () => {
    expect(lastHost).toEqual({ envoy: '/failed_outlier_check', sidecar: 'healthy' });
  });
});

async function flagsOf(
  proxy: RunningProxy,
  cluster: string,
  hostNames: ReadonlyMap<number, string>,
): Promise<Record<string, string>> {
  const text = await proxy.admin('/clusters');
  const flags: Record<string, string> = {};
  for (const [, port, value] of text.matchAll(
    new RegExp(`^${cluster}::127\\.0\\.0\\.1:(\\d+)::health_flags::(.*)$`, 'gm'),
  ))
    flags[hostNames.get(Number(port)) ?? port!] = value!;
  return flags;
}

async function countersOf(proxy: RunningProxy, cluster: string): Promise<Record<string, number>> {
  const text = await proxy.admin(`/stats?filter=^cluster\\.${cluster}\\.(outlier_detection|health_check)\\.`);
  const counters: Record<string, number> = {};
  for (const [, name, value] of text.matchAll(/^cluster\.[^.]+\.([^:]+): (\d+)$/gm))
    if (value !== '0') counters[name!] = Number(value);
  return counters;
}
