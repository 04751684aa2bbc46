/** A control plane and sidecars as a user starts them: registration, weights, a broken file, a restart under load. Real processes and sockets on loopback. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-mesh-'));
const file = join(folder, 'shop.yaml');
const processes: StartedProcess[] = [];
const apps: Server[] = [];
let controlPlanePort = 0;
let adminPort = 0;
let outboundPort = 0;
let controlPlane: StartedProcess;

function configuration(v1Weight: number, v2Weight: number): string {
  const service = (name: string, selector: string): string => `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ${selector} ports: [{ name: http, port: 80, appProtocol: http }] }
---`;
  return `${service('web', '')}${service('orders', '')}${service('orders-v1', 'selector: { version: v1 },')}${service('orders-v2', 'selector: { version: v2 },')}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: orders, namespace: shop }
spec:
  parentRefs: [{ kind: Service, group: "", name: orders }]
  rules:
    - backendRefs:
        - { name: orders-v1, port: 80, weight: ${v1Weight} }
        - { name: orders-v2, port: 80, weight: ${v2Weight} }
`;
}

function startControlPlane(): StartedProcess {
  const started = new StartedProcess([
    'control-plane',
    ...['--config', file, '--data-dir', join(folder, 'data')],
    ...['--listen', `127.0.0.1:${controlPlanePort}`, '--listen-admin', `127.0.0.1:${adminPort}`],
  ]);
  processes.push(started);
  return started;
}

async function startInstance(service: string, version: string, outbound: number): Promise<void> {
  const app = createServer((incoming, response) => {
    incoming.resume();
    incoming.on('end', () => response.end(version));
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  apps.push(app);
  processes.push(
    new StartedProcess([
      'sidecar',
      ...['--service', service, '--app-port', String((app.address() as AddressInfo).port)],
      ...['--labels', `version=${version}`, '--control-plane', `127.0.0.1:${controlPlanePort}`],
      ...['--outbound-listen', `127.0.0.1:${outbound}`, '--inbound-listen', '127.0.0.1:0'],
      ...['--admin', '127.0.0.1:0', '--listen-metrics', 'off', '--drain-time', '1'],
    ]),
  );
}

const toOrders = () => call(outboundPort, '/', { headers: { host: 'orders.shop' } });

/** The versions that answer many requests. */
async function versions(requests: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let i = 0; i < requests; i++) seen.add((await toOrders()).body);
  return seen;
}

beforeAll(async () => {
  writeFileSync(file, configuration(1, 1));
  [controlPlanePort, adminPort, outboundPort] = [await unusedPort(), await unusedPort(), await unusedPort()];
  controlPlane = startControlPlane();
  await startInstance('shop/web', 'web', outboundPort);
  await startInstance('shop/orders', 'v1', await unusedPort());
  await startInstance('shop/orders', 'v2', await unusedPort());
  await eventually('both versions answer', async () => (await versions(20)).size === 2);
}, 30_000);

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  for (const app of apps) app.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('a mesh of processes', () => {
  test('answers a request through two sidecars, with the request id in the answer', async () => {
    const { status, headers } = await toOrders();
    expect(status).toBe(200);
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('answers 404 NR for a service that nobody has', async () => {
    const { status, body } = await call(outboundPort, '/', { headers: { host: 'nowhere.shop' } });
    expect(status).toBe(404);
    expect(JSON.parse(body)).toMatchObject({ flag: 'NR' });
  });

  test('follows the weights of a file that is saved', async () => {
    writeFileSync(file, configuration(0, 1));
    await eventually('only v2 answers', async () => [...(await versions(10))].join() === 'v2');
    writeFileSync(file, configuration(1, 1));
    await eventually('both answer again', async () => (await versions(20)).size === 2);
  });

  test('refuses a broken file with its line, and goes on with what was before', async () => {
    writeFileSync(file, configuration(1, 1).replace('weight: 1 }', 'weight: many }'));
    await eventually('the fault is told', () => Promise.resolve(controlPlane.output.includes('shop.yaml:')));
    expect((await toOrders()).status).toBe(200);
    const checked = new StartedProcess(['validate', file]);
    expect(await checked.exited).toBe(1);
    expect(checked.output).toMatch(/shop\.yaml:\d+:\d+: spec\.rules\[0\]\.backendRefs\[0\]\.weight/);
    writeFileSync(file, configuration(1, 1));
  });

  test('shows every proxy and its configuration (CSDS)', async () => {
    const status = new StartedProcess(['status', '--control-plane', `127.0.0.1:${controlPlanePort}`]);
    expect(await status.exited).toBe(0);
    expect(status.output.match(/SYNCED/g)?.length).toBe(12);
    const endpoints = new StartedProcess(['get', 'endpoints', '--admin', `127.0.0.1:${adminPort}`, '-o', 'json']);
    expect(await endpoints.exited).toBe(0);
    expect(JSON.parse(endpoints.output)).toHaveLength(5);
  });

  test('loses no request while the control plane is killed and restarted', async () => {
    const failures: string[] = [];
    let running = true;
    let requests = 0;
    const load = Array.from({ length: 4 }, async () => {
      while (running) {
        const answer = await toOrders().catch((error: Error) => error);
        requests++;
        if (answer instanceof Error) failures.push(answer.message);
        else if (answer.status !== 200) failures.push(answer.body);
      }
    });
    await controlPlane.stop('SIGKILL');
    await eventually('requests go on without it', () => Promise.resolve(requests > 200));
    controlPlane = startControlPlane();
    await eventually(
      'sidecars are back',
      async () => JSON.parse((await call(adminPort, '/api/v1/proxies')).body).length === 3,
    );
    const then = requests;
    await eventually('requests go on with it', () => Promise.resolve(requests > then + 200));
    running = false;
    await Promise.all(load);
    expect(failures).toEqual([]);
  });
});
