/**
 * Full load for a minute while endpoints change every 100 ms, through the YAML file and through the registration API by turns, and the control plane restarts
 * twice: not one request may fail. OUTRIGGER_CHURN_SECONDS makes it shorter or longer.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { freePorts } from '../peers/free-port.ts';
import { type StartedProgram, waitFor } from '../peers/started-program.ts';
import { adsBootstrap } from './envoy-resources.ts';
import { ask, instanceOf } from './exchange.ts';
import { mesh, service } from './mesh-configuration.ts';
import { peer, Stage } from './programs.ts';
import { RegistryClient } from './registry-client.ts';

const seconds = Number(process.env['OUTRIGGER_CHURN_SECONDS'] ?? 60);
const changeIntervalMs = 100;
const connections = 32;

describe('full load while everything moves', () => {
  const stage = new Stage();
  afterAll(() => stage.stop());

  it(`has not one failed request in ${seconds} s of endpoint changes and two restarts of the control plane`, {
    timeout: (seconds + 60) * 1000,
  }, async () => {
    const [xdsPort, controlPlaneAdmin, proxyAdmin, outbound, inbound] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const backends = await Promise.all(['a', 'b', 'c', 'd'].map(async (name) => (await stage.backend(name)).httpPort));
    const [a, b, c, d] = backends as [number, number, number, number];
    // a and b come and go in the file, c and d register and leave; somebody is always there.
    const fileStates = [[a], [a, b], [b], [b, a]];
    const file = join(stage.folder, 'mesh.yaml');
    const configure = (ports: readonly number[]): void => {
      writeFileSync(`${file}.new`, mesh(service('orders', ports)));
      renameSync(`${file}.new`, file);
    };
    configure(fileStates[0]!);
    const options = {
      config: file,
      port: xdsPort,
      adminPort: controlPlaneAdmin,
      dataFolder: join(stage.folder, 'data'),
    };
    let controlPlane: StartedProgram = await stage.controlPlane(options);
    const node = {
      id: 'churn',
      cluster: 'shop/storefront',
      metadata: { outbound_listen: `127.0.0.1:${outbound}`, inbound_listen: `127.0.0.1:${inbound}` },
    };
    await stage.sidecar(adsBootstrap({ node, adminPort: proxyAdmin, xdsPort, variant: 'DELTA_GRPC' }));
    await waitFor(
      'the first answer',
      10_000,
      async () => instanceOf(await ask(outbound, { host: 'orders.shop' })) === 'a',
    );

    const load = stage.start('wrk', [
      peer('wrk'),
      '-t',
      '1',
      '-c',
      String(connections),
      '-d',
      String(seconds),
      '--timeout',
      '10',
      '-H',
      'Host: orders.shop',
      `http://127.0.0.1:${outbound}/bytes/512`,
    ]);
    const registry = new RegistryClient(xdsPort);
    let changes = 0;
    let refusedCalls = 0;
    let stopped = false;
    const leases = new Map<number, string>();
    const churn = (async () => {
      while (!stopped) {
        const turn = changes++;
        if (turn % 2 === 0) configure(fileStates[(turn / 2) % fileStates.length]!);
        else {
          const port = turn % 4 === 1 ? c : d;
          const lease = leases.get(port);
          // While the control plane restarts the API is away, as in life; the file goes on.
          try {
            if (lease === undefined) leases.set(port, await registry.register('orders', `instance-${port}`, port));
            else {
              leases.delete(port);
              await registry.deregister(lease);
            }
          } catch {
            refusedCalls++;
          }
        }
        await pause(changeIntervalMs);
      }
    })();
    const seen = new Set<string>();
    const watch = (async () => {
      while (!stopped) {
        seen.add(instanceOf(await ask(outbound, { host: 'orders.shop' })));
        await pause(20);
      }
    })();
    const restarts = (async () => {
      for (let restart = 0; restart < 2; restart++) {
        await pause((seconds * 1000) / 3);
        await controlPlane.stop();
        controlPlane = await stage.controlPlane(options);
      }
    })();

    try {
      expect(await load.exited).toBe('exit code 0');
      await load.logged;
      await restarts;
    } finally {
      stopped = true;
      await churn;
      await watch;
      for (const lease of leases.values()) await registry.deregister(lease);
      registry.close();
    }
    const report = load.output;
    expect(report).toMatch(/\d+ requests in/);
    expect(report).not.toMatch(/Non-2xx/);
    expect(report).not.toMatch(/Socket errors/);
    expect(Number(/(\d+) requests in/.exec(report)?.[1])).toBeGreaterThan(seconds * 500);
    expect(changes).toBeGreaterThan(seconds * 5);
    expect(refusedCalls).toBeLessThan(changes / 4);
    // The changes did reach the proxy, during the load and at its end.
    expect(seen).toEqual(new Set(['a', 'b', 'c', 'd']));
    configure([b]);
    await waitFor('only b to answer', 10_000, async () => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => ask(outbound, { host: 'orders.shop' })));
      return answers.every((answer) => instanceOf(answer) === 'b');
    });
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
