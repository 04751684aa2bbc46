/**
 * Our sidecar under another control plane: go-control-plane, state of the world and delta. Envoy runs through the same tests, which shows that they ask
 * for what xDS says and not for what we do.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { waitFor } from '../peers/started-program.ts';
import {
  adsBootstrap,
  edsCluster,
  type Json,
  listener,
  loadAssignment,
  rdsListener,
  routeConfiguration,
  routeTo,
  type XdsVariant,
} from './envoy-resources.ts';
import { ask, instanceOf } from './exchange.ts';
import { GoControlPlane, type Snapshot, typeOf } from './go-control-plane.ts';
import { type RunningProxy, Stage } from './programs.ts';
import { underSteadyLoad } from './steady-load.ts';

const lua: Json = {
  name: 'envoy.filters.http.lua',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua' },
};

const clients: ReadonlyArray<{ readonly program: 'sidecar' | 'envoy'; readonly variant: XdsVariant }> = [
  { program: 'sidecar', variant: 'GRPC' },
  { program: 'sidecar', variant: 'DELTA_GRPC' },
  { program: 'envoy', variant: 'GRPC' },
  { program: 'envoy', variant: 'DELTA_GRPC' },
];

describe.each(clients)('$program under go-control-plane, $variant', ({ program, variant }) => {
  const stage = new Stage();
  let controlPlane: GoControlPlane;
  let proxy: RunningProxy;
  let port: number;
  let a: number;
  let b: number;
  /** What is served while nothing else is tested. */
  let usual: Snapshot;

  beforeAll(async () => {
    const [listenPort, adminPort] = (await freePorts(2)) as [number, number];
    port = listenPort;
    [a, b] = (await Promise.all(['a', 'b'].map(async (name) => (await stage.backend(name)).httpPort))) as [
      number,
      number,
    ];
    usual = {
      listeners: [rdsListener({ name: 'main', port }, 'routes')],
      routes: [routeConfiguration('routes', [routeTo('one')])],
      clusters: [edsCluster({ name: 'one' })],
      endpoints: [loadAssignment('one', [a])],
    };
    controlPlane = await GoControlPlane.start(stage);
    const bootstrap = adsBootstrap({
      node: { id: `interop-${program}`, cluster: 'interop' },
      adminPort,
      xdsPort: controlPlane.port,
      variant,
    });
    proxy = await stage[program](bootstrap, { awaitReady: false });
  });
  afterAll(() => stage.stop());

  const answeredBy = (instance: string, path = '/'): Promise<boolean> =>
    waitFor(`an answer of ${instance}`, 10_000, () =>
      ask(port, { path }).then(
        (answer) => answer.status === 200 && instanceOf(answer) === instance,
        () => false,
      ),
    );

  it('names itself, subscribes over one stream, and traffic flows once everything has come', async () => {
    await controlPlane.serve(usual);
    await answeredBy('a');
    await proxy.ready();
    const events = await controlPlane.events();
    expect(new Set(events.filter((event) => event.kind !== 'open').map((event) => event.variant))).toEqual(
      new Set([variant === 'GRPC' ? 'sotw' : 'delta']),
    );
    expect(events.filter((event) => event.kind === 'open')).toHaveLength(1);
    expect(events.find((event) => event.kind === 'subscribe')?.node).toBe(`interop-${program}`);
    if (program === 'sidecar') expect(events.find((event) => event.kind === 'subscribe')?.userAgent).toBe('outrigger');
    for (const typeUrl of Object.values(typeOf))
      await controlPlane.event(
        `an ACK for ${typeUrl}`,
        0,
        (event) => event.kind === 'ack' && event.typeUrl === typeUrl,
      );
    expect(events.filter((event) => event.kind === 'nack')).toEqual([]);
  });

  it('takes new endpoints, and no request fails meanwhile', async () => {
    const load = await underSteadyLoad(port, {}, async () => {
      await controlPlane.serve({ ...usual, endpoints: [loadAssignment('one', [b])] });
      await answeredBy('b');
      await controlPlane.serve({ ...usual, endpoints: [loadAssignment('one', [a, b])] });
      await controlPlane.serve(usual);
      await answeredBy('a');
    });
    expect(load.failures).toEqual([]);
  });

  it('takes a new cluster and a route to it in one update, and gives both up again (make before break)', async () => {
    const load = await underSteadyLoad(port, {}, async () => {
      await controlPlane.serve({
        ...usual,
        routes: [routeConfiguration('routes', [routeTo('two', '/two'), routeTo('one')])],
        clusters: [edsCluster({ name: 'one' }), edsCluster({ name: 'two' })],
        endpoints: [loadAssignment('one', [a]), loadAssignment('two', [b])],
      });
      await answeredBy('b', '/two');
      await controlPlane.serve(usual);
      await answeredBy('a', '/two');
      await waitFor('the cluster to be gone', 10_000, async () => !(await proxy.admin('/clusters')).includes('two::'));
    });
    expect(load.failures).toEqual([]);
  });

  const refused: ReadonlyArray<{
    readonly what: string;
    readonly typeUrl: string;
    readonly broken: (good: Snapshot) => Snapshot;
    readonly says: RegExp;
  }> = [
    {
      what: 'a route with a broken regular expression',
      typeUrl: typeOf.route,
      broken: (good) => ({
        ...good,
        routes: [routeConfiguration('routes', [{ match: { safe_regex: { regex: '(' } }, route: { cluster: 'one' } }])],
      }),
      says: /\(/,
    },
    {
      what: 'a cluster with a negative connect timeout',
      typeUrl: typeOf.cluster,
      broken: (good) => ({
        ...good,
        clusters: [edsCluster({ name: 'one' }), { name: 'broken', connect_timeout: '-1s', type: 'STATIC' }],
      }),
      says: /connect_?timeout|duration/i,
    },
    {
      what: 'a listener whose last HTTP filter is not the router',
      typeUrl: typeOf.listener,
      broken: (good) => ({
        ...good,
        listeners: [
          listener(
            { name: 'main', port, manager: { http_filters: [lua] } },
            routeConfiguration('inline', [routeTo('one')]),
          ),
        ],
      }),
      says: /lua/,
    },
  ];

  it.each(refused)('refuses $what by a NACK, and the old configuration goes on', async ({ typeUrl, broken, says }) => {
    const load = await underSteadyLoad(port, {}, async () => {
      const before = await controlPlane.serve(broken(usual));
      const nack = await controlPlane.event(
        `a NACK for ${typeUrl}`,
        before,
        (event) => event.kind === 'nack' && event.typeUrl === typeUrl,
      );
      expect(nack.error).toMatch(says);
      await answeredBy('a');
      const mended = await controlPlane.serve(usual);
      await controlPlane.event(
        `an ACK for ${typeUrl}`,
        mended,
        (event) => event.kind === 'ack' && event.typeUrl === typeUrl,
      );
      await answeredBy('a');
    });
    expect(load.failures).toEqual([]);
  });

  it.each(program === 'sidecar' ? ['sidecar'] : [])(
    '%s: names the field path of what it does not support',
    async () => {
      const manager = {
        http_filters: [
          lua,
          {
            name: 'envoy.filters.http.router',
            typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
          },
        ],
      };
      const before = await controlPlane.serve({
        ...usual,
        listeners: [listener({ name: 'main', port, manager }, routeConfiguration('inline', [routeTo('one')]))],
      });
      const nack = await controlPlane.event('a NACK', before, (event) => event.kind === 'nack');
      expect(nack.error).toMatch(/filter_chains\[0\]\.filters\[0\]\.typed_config\.http_filters\[0\]/);
      expect(nack.error).toContain('lua');
      await answeredBy('a');
      await controlPlane.serve(usual);
      await answeredBy('a');
    },
  );

  it('stops listening when its listener is removed, and starts again when it comes back', async () => {
    await controlPlane.serve({ ...usual, listeners: [], routes: [] });
    await waitFor('the port to be closed', 15_000, () =>
      ask(port).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      ),
    );
    await controlPlane.serve(usual);
    await answeredBy('a');
  });

  it('goes on with what it has while the control plane is gone, and takes updates when it is back', async () => {
    const load = await underSteadyLoad(port, {}, async () => {
      const xdsPort = controlPlane.port;
      await controlPlane.stop();
      await answeredBy('a');
      controlPlane = await GoControlPlane.start(stage, xdsPort);
      await controlPlane.serve({ ...usual, endpoints: [loadAssignment('one', [b])] });
      await answeredBy('b');
    });
    expect(load.failures).toEqual([]);
  });
});
