/** Our control plane with a real Envoy as its client, state of the world and delta, and our own sidecar through the same tests. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import { adsBootstrap, type Json, type XdsVariant } from './envoy-resources.ts';
import { ask, instanceOf, type Question } from './exchange.ts';
import { backendRef, httpRoute, mesh, service } from './mesh-configuration.ts';
import { peer, type RunningProxy, Stage } from './programs.ts';
import { RegistryClient } from './registry-client.ts';
import { underSteadyLoad } from './steady-load.ts';

const clients: ReadonlyArray<{ readonly program: 'sidecar' | 'envoy'; readonly variant: XdsVariant }> = [
  { program: 'envoy', variant: 'GRPC' },
  { program: 'envoy', variant: 'DELTA_GRPC' },
  { program: 'sidecar', variant: 'GRPC' },
  { program: 'sidecar', variant: 'DELTA_GRPC' },
];

const orders: Question = { host: 'orders.shop' };

describe.each(clients)('$program as a client of our control plane, $variant', ({ program, variant }) => {
  const stage = new Stage();
  const file = join(stage.folder, 'mesh.yaml');
  let controlPlane: StartedProgram;
  let controlPlaneOptions: {
    readonly config: string;
    readonly port: number;
    readonly adminPort: number;
    readonly dataFolder: string;
  };
  let port: number;
  let proxyAdminPort: number;
  let a: number;
  let b: number;

  beforeAll(async () => {
    const [xdsPort, controlPlaneAdmin, proxyAdmin, outbound, inbound] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    port = outbound;
    proxyAdminPort = proxyAdmin;
    [a, b] = (await Promise.all(['a', 'b'].map(async (name) => (await stage.backend(name)).httpPort))) as [
      number,
      number,
    ];
    controlPlaneOptions = {
      config: file,
      port: xdsPort,
      adminPort: controlPlaneAdmin,
      dataFolder: join(stage.folder, 'data'),
    };
    configure(service('orders', [a]));
    controlPlane = await stage.controlPlane(controlPlaneOptions);
    await stage[program](
      adsBootstrap({ node: node('interop', outbound, inbound), adminPort: proxyAdmin, xdsPort, variant }),
    );
  });
  afterAll(() => stage.stop());

  function node(id: string, outbound: number, inbound: number): Json {
    return {
      id,
      cluster: 'shop/storefront',
      metadata: { outbound_listen: `127.0.0.1:${outbound}`, inbound_listen: `127.0.0.1:${inbound}` },
    };
  }

  /** As a careful editor saves: whole, by renaming. */
  function configure(...documents: readonly Json[]): void {
    writeFileSync(`${file}.new`, mesh(...documents));
    renameSync(`${file}.new`, file);
  }

  const answers = (
    what: string,
    question: Question,
    fits: (status: number, instance: string) => boolean,
  ): Promise<boolean> =>
    waitFor(what, 10_000, () =>
      ask(port, question).then(
        (answer) => fits(answer.status, instanceOf(answer)),
        () => false,
      ),
    );
  const answeredBy = (instance: string, question: Question = orders): Promise<boolean> =>
    answers(`an answer of ${instance}`, question, (status, name) => status === 200 && name === instance);

  it('has traffic flow by every name of the service, with and without the port', async () => {
    await answeredBy('a');
    for (const host of [
      'orders',
      'orders.shop',
      'orders.shop:80',
      'orders.shop.svc.cluster.local',
      'orders.shop.svc.cluster.local:80',
    ]) {
      expect((await ask(port, { host })).status, host).toBe(200);
    }
  });

  it('shows the client as synced in status', async () => {
    await waitFor('the status to be SYNCED', 10_000, async () => {
      const { output } = await stage.outrigger([
        'status',
        '--control-plane',
        `127.0.0.1:${controlPlaneOptions.port}`,
        '-o',
        'json',
      ]);
      return (
        /"id": "interop"/.test(output) && /"listeners": "SYNCED"/.test(output) && /"clusters": "SYNCED"/.test(output)
      );
    });
  });

  it('moves traffic when endpoints change in the file, and no request fails', async () => {
    const load = await underSteadyLoad(port, orders, async () => {
      configure(service('orders', [b]));
      await answeredBy('b');
      configure(service('orders', [a, b]));
      await answeredBy('a');
      await answeredBy('b');
      configure(service('orders', [a]));
      await waitFor('only a', 10_000, async () => {
        const instances = await Promise.all(Array.from({ length: 6 }, async () => instanceOf(await ask(port, orders))));
        return instances.every((instance) => instance === 'a');
      });
    });
    expect(load.failures).toEqual([]);
    expect(load.requests).toBeGreaterThan(10);
  });

  it('has a cluster that changed in force at once: its endpoints are sent again (Envoy warms it anew, and waits 15 s for them)', async () => {
    configure(service('orders', [a], 'http2'));
    await waitFor('connections by HTTP/2', 10_000, async () => {
      await ask(port, orders);
      const stats = await (await fetch(`http://127.0.0.1:${proxyAdminPort}/stats`)).text();
      return /^cluster\.outbound\|80\|\|orders\.shop\.upstream_cx_http2_total: [1-9]/m.test(stats);
    });
    configure(service('orders', [a]));
    await answeredBy('a');
  });

  it('routes by header and weight as the HTTPRoute says, changes headers, and gives the route up again, with no failed request', async () => {
    const services = [service('orders', [a]), service('orders-v1', [a]), service('orders-v2', [b])];
    const canary = httpRoute('orders', 'orders', [
      {
        matches: [{ headers: [{ name: 'x-canary', value: 'yes' }] }],
        filters: [
          {
            type: 'RequestHeaderModifier',
            requestHeaderModifier: { set: [{ name: 'x-route', value: 'canary' }], remove: ['x-secret'] },
          },
          {
            type: 'ResponseHeaderModifier',
            responseHeaderModifier: { add: [{ name: 'x-answer', value: 'canary' }], remove: ['x-powered-by'] },
          },
        ],
        backendRefs: [backendRef('orders-v2')],
      },
      { backendRefs: [backendRef('orders-v1', 50), backendRef('orders-v2', 50)] },
    ]);
    const load = await underSteadyLoad(port, orders, async () => {
      configure(...services, canary);
      // Waited for by what only this route does: instance b may have answered before it came.
      await waitFor(
        'the canary route',
        10_000,
        async () => (await ask(port, { ...orders, headers: { 'x-canary': 'yes' } })).headers['x-answer'] === 'canary',
      );
      const answer = await ask(port, { ...orders, headers: { 'x-canary': 'yes', 'x-secret': 'no' } });
      const seen = (JSON.parse(answer.body) as { headers: Record<string, string[]> }).headers;
      expect(seen['X-Route']).toEqual(['canary']);
      expect(seen['X-Secret']).toBeUndefined();
      expect(answer.headers['x-answer']).toBe('canary');
      expect(answer.headers['x-powered-by']).toBeUndefined();
      const spread = new Set(
        await Promise.all(Array.from({ length: 40 }, async () => instanceOf(await ask(port, orders)))),
      );
      expect(spread).toEqual(new Set(['a', 'b']));
      configure(...services);
      await waitFor(
        'the canary to be gone',
        10_000,
        async () => instanceOf(await ask(port, { ...orders, headers: { 'x-canary': 'yes' } })) === 'a',
      );
    });
    expect(load.failures).toEqual([]);
  });

  it('goes on with the last good file when a broken one is saved, and says where it is broken', async () => {
    const load = await underSteadyLoad(port, orders, async () => {
      writeFileSync(
        file,
        'apiVersion: outrigger.dev/v1\nkind: Service\nmetadata: { name: orders, namespace: shop }\nspec: { ports: [{ port: 80000 }] }\n',
      );
      const { how, output } = await stage.outrigger(['validate', file]);
      expect(how).toBe('exit code 1');
      expect(output).toMatch(/mesh\.yaml:4:\d+: spec\.ports\[0\]\.port/);
      await waitFor('the control plane to say so', 10_000, () => /80000/.test(controlPlane.output));
      await answeredBy('a');
      configure(service('orders', [b]));
      await answeredBy('b');
    });
    expect(load.failures).toEqual([]);
  });

  it('answers 404 for a service that is removed, and serves it again when it is back', async () => {
    configure(service('other', [a]), service('orders', [a]));
    await answeredBy('a', { host: 'other.shop' });
    configure(service('orders', [a]));
    await answers('404 for the removed service', { host: 'other.shop' }, (status) => status === 404);
    configure(service('other', [b]), service('orders', [a]));
    await answeredBy('b', { host: 'other.shop' });
  });

  it('answers 503 for a service without an instance, and 200 once one registers over the API', async () => {
    configure(service('orders', [a]), service('fresh', []));
    await answers('503 without an instance', { host: 'fresh.shop' }, (status) => status === 503);
    const registry = new RegistryClient(controlPlaneOptions.port);
    try {
      const lease = await registry.register('fresh', 'one', b);
      await answeredBy('b', { host: 'fresh.shop' });
      await registry.deregister(lease);
      await answers('503 after it left', { host: 'fresh.shop' }, (status) => status === 503);
    } finally {
      registry.close();
    }
  });

  it('keeps serving while the control plane restarts, and takes what changed meanwhile', async () => {
    configure(service('orders', [a]));
    await answeredBy('a');
    const load = await underSteadyLoad(port, orders, async () => {
      await controlPlane.stop();
      configure(service('orders', [b]));
      await answeredBy('a');
      controlPlane = await stage.controlPlane(controlPlaneOptions);
      await answeredBy('b');
    });
    expect(load.failures).toEqual([]);
  });

  /** A second proxy whose outbound port is a backend's, so that its listener can't be bound. */
  async function startRefuser(): Promise<RunningProxy> {
    const [adminPort, inbound] = (await freePorts(2)) as [number, number];
    const bootstrap = adsBootstrap({
      node: node('refuser', a, inbound),
      adminPort,
      xdsPort: controlPlaneOptions.port,
      variant,
    });
    return stage[program](bootstrap, { awaitReady: false });
  }

  it.each(program === 'envoy' ? ['envoy'] : [])(
    '%s: shows a refusal (NACK) with its reason in status, and other proxies are not disturbed',
    async () => {
      const load = await underSteadyLoad(port, orders, async () => {
        await startRefuser();
        await waitFor('the refusal in status', 15_000, async () => {
          const words = ['status', '--control-plane', `127.0.0.1:${controlPlaneOptions.port}`, '-o', 'json'];
          const { how, output } = await stage.outrigger(words);
          return (
            how === 'exit code 1' &&
            /"listeners": "NACKED"/.test(output) &&
            output.includes('refuser') &&
            output.includes(`:${a}`)
          );
        });
      });
      expect(load.failures).toEqual([]);
    },
  );
  // The sidecar binds after it has accepted the resource, so this fault is told by itself and not by a NACK.
  it.each(program === 'sidecar' ? ['sidecar'] : [])(
    '%s: says which port is taken when a listener cannot be bound, and other proxies are not disturbed',
    async () => {
      const load = await underSteadyLoad(port, orders, async () => {
        const refuser = await startRefuser();
        await refuser.program.line(new RegExp(`cannot listen on 127\\.0\\.0\\.1:${a}.*the port is taken`));
        expect(refuser.program.ended).toBeNull();
      });
      expect(load.failures).toEqual([]);
    },
  );
});

describe('the registration API', () => {
  const stage = new Stage();
  afterAll(() => stage.stop());

  it('is found and called by grpcurl through reflection, and says which field is wrong', async () => {
    const [port, adminPort] = (await freePorts(2)) as [number, number];
    const file = stage.file('mesh.yaml', mesh(service('orders', [])));
    await stage.controlPlane({ config: file, port, adminPort });
    const call = async (...words: string[]): Promise<string> => {
      const run = stage.start('grpcurl', [peer('grpcurl'), '-plaintext', ...words]);
      await run.exited;
      await run.logged;
      return run.output;
    };
    const target = `127.0.0.1:${port}`;
    expect(await call(target, 'list')).toContain('outrigger.registry.v1.RegistryService');
    const register = 'outrigger.registry.v1.RegistryService/Register';
    const good = {
      instance: { namespace: 'shop', service: 'orders', instance_id: 'one', address: '127.0.0.1', port: 9000 },
    };
    expect(await call('-d', JSON.stringify(good), target, register)).toMatch(/"leaseId": "[^"]+"/);
    const bad = await call(
      '-d',
      JSON.stringify({ instance: { ...good.instance, address: 'nowhere' } }),
      target,
      register,
    );
    expect(bad).toMatch(/InvalidArgument/);
    expect(bad).toMatch(/instance\.address/);
    expect(await call(target, 'grpc.health.v1.Health/Check')).toMatch(/SERVING/);
  });
});
