/** A service's instances are replaced one after another, under steady load that is intercepted on both sides: not one request fails, of HTTP/1.1 (POST too) and of gRPC. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import type { Json } from './envoy-resources.ts';
import type { LoadReport } from './intercepted-load-program.ts';
import { type InterceptedHost, InterceptedMesh, type Mode } from './intercepted-mesh.ts';
import { outriggerProgram, peer, Stage } from './programs.ts';

const service = (name: string, ports: readonly Json[]): Json => ({
  ...{ apiVersion: 'outrigger.dev/v1', kind: 'Service' },
  ...{ metadata: { name, namespace: 'shop' }, spec: { ports } },
});
const documents = [
  service('orders', [
    { name: 'http', port: 80, targetPort: 9000, appProtocol: 'http' },
    { name: 'grpc', port: 81, targetPort: 9090, appProtocol: 'grpc' },
  ]),
  service('desk', [{ name: 'http', port: 80 }]),
];

interface Instance {
  readonly host: InterceptedHost;
  readonly app: StartedProgram;
  readonly sidecar: StartedProgram;
}

/** How an old instance is told to go. */
type Ending = 'SIGTERM' | 'drain';

describe('rolling replacement', () => {
  const stage = new Stage();
  let mesh: InterceptedMesh;
  let tokenFile = '';
  let desk: InterceptedHost;
  const running: Instance[] = [];

  beforeAll(async () => {
    mesh = new InterceptedMesh(stage);
    await mesh.start(documents);
    tokenFile = await mesh.tokenFile('orders', 20);
    desk = mesh.host('desk');
    await desk.install('redirect', 'nftables');
    await desk.sidecar('desk', { mode: 'redirect', appPorts: [] });
    running.push(await start('one', 'redirect'), await start('two', 'tproxy'));
  }, 90_000);
  afterAll(async () => {
    await stage.stop();
    mesh.remove();
  });

  /** As an init container, a native sidecar and a container come: rules, sidecar, application; the instance is there when callers are told of it. */
  async function start(name: string, mode: Mode): Promise<Instance> {
    const host = mesh.host(name);
    await host.install(mode, mode === 'redirect' ? 'nftables' : 'iptables');
    const sidecar = await host.sidecar('orders', { mode, appPorts: [9000, 9090], tokenFile });
    const listen = ['--http', '[::]:9000', '--grpc', '[::]:9090', '--instance', name];
    const app = host.program('app', [peer('backend'), ...listen]);
    await waitFor(`${name} to be registered`, 20_000, async () => {
      sidecar.failIfEnded();
      const rows = await mesh.get<{ readonly service: string; readonly address: string }>('endpoints');
      return rows.some(({ address }) => address.startsWith(`${host.addresses.IPv4}:`));
    });
    return { host, app, sidecar };
  }

  async function end({ host, app, sidecar }: Instance, how: Ending): Promise<void> {
    // What a preStop hook does: it returns when callers have heard and what they have in hand is done.
    if (how === 'drain') await host.output([outriggerProgram, 'drain']);
    sidecar.signal('SIGTERM');
    expect(await sidecar.exited).toBe('exit code 0');
    await app.stop();
    expect((await host.intercept('remove')).code).toBe(0);
  }

  it('loses no request', async () => {
    const address = await mesh.addressOf('orders', 'IPv4');
    await waitFor('desk to reach both', 20_000, async () => {
      const answers = await Promise.all(
        [1, 2, 3, 4].map(() => desk.call({ how: 'http', host: address, port: 80, name: 'orders.shop' })),
      );
      return new Set(answers.map(({ status, text }) => (status === 200 ? JSON.parse(text).instance : ''))).size === 2;
    });
    const load = desk.program('load', [
      process.execPath,
      join(import.meta.dirname, 'intercepted-load-program.ts'),
      ...[address, '80', '81', '60'],
    ]);
    await load.line(/running/);
    const plan = [
      ['three', 'redirect', 'SIGTERM'],
      ['four', 'tproxy', 'drain'],
      ['five', 'redirect', 'drain'],
      ['six', 'redirect', 'SIGTERM'],
    ] as const;
    for (const [name, mode, ending] of plan) {
      running.push(await start(name, mode));
      await end(running.shift()!, ending);
    }
    load.signal('SIGTERM');
    const [, text] = await load.line(/^(\{.*\})$/m, 30_000);
    const report = JSON.parse(text!) as LoadReport;
    expect(report.failures).toEqual([]);
    expect(Math.min(...Object.values(report.requests))).toBeGreaterThan(20);
    // Old and new ones alike were called.
    expect(Object.keys(report.instances).toSorted()).toEqual(['five', 'four', 'one', 'six', 'three', 'two']);
  }, 120_000);
});
