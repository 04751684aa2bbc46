/** A circuit breaker as a user has one: a TrafficPolicy, the control plane, a sidecar as a process, a service that fails, and `outrigger breaker`. No time passes by itself here: it stays open for an hour. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-breaker-'));
const file = join(folder, 'shop.yaml');
const processes: StartedProcess[] = [];
let app: Server;
let status = 200;
let asked = 0;
let outboundPort = 0;
let admin = '';
let controlPlaneAdmin = '';

const cluster = 'outbound|80||payments.shop';

function configuration(appPort: number, requests: number): string {
  return `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: payments, namespace: shop }
spec:
  ports: [{ port: 80, appProtocol: http }]
  endpoints: [{ address: 127.0.0.1, port: ${appPort} }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: payments, namespace: shop }
spec:
  parentRefs: [{ kind: Service, group: "", name: payments }]
  rules:
    - name: reports
      matches: [{ path: { type: PathPrefix, value: /reports } }]
      backendRefs: [{ name: payments, port: 80 }]
    - backendRefs: [{ name: payments, port: 80 }]
---
apiVersion: outrigger.dev/v1
kind: TrafficPolicy
metadata: { name: reports, namespace: shop }
spec:
  targetRefs: [{ kind: HTTPRoute, name: payments, sectionName: reports }]
  circuitBreaker: { consecutiveFailures: 1, openTime: { base: 1h } }
---
apiVersion: outrigger.dev/v1
kind: TrafficPolicy
metadata: { name: payments, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: payments }]
  circuitBreaker: { consecutiveFailures: 3, openTime: { base: 1h } }
  outlierDetection: { enabled: false }
  limits: { maxRequests: ${requests} }
`;
}

beforeAll(async () => {
  app = createServer((_incoming, response) => {
    asked++;
    response.statusCode = status;
    response.end('done');
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const [controlPlanePort, adminPort, sidecarAdmin] = [await unusedPort(), await unusedPort(), await unusedPort()];
  outboundPort = await unusedPort();
  admin = `127.0.0.1:${sidecarAdmin}`;
  controlPlaneAdmin = `127.0.0.1:${adminPort}`;
  writeFileSync(file, configuration((app.address() as AddressInfo).port, 100));
  processes.push(
    new StartedProcess([
      'control-plane',
      ...['--config', file, '--data-dir', join(folder, 'data')],
      ...['--listen', `127.0.0.1:${controlPlanePort}`, '--listen-admin', `127.0.0.1:${adminPort}`],
      // With identities there is a local token, by which an operator may change something.
      ...['--listen-tls', `127.0.0.1:${await unusedPort()}`],
    ]),
    new StartedProcess([
      'sidecar',
      ...['--service', 'shop/web', '--app-port', '1', '--control-plane', `127.0.0.1:${controlPlanePort}`],
      ...['--outbound-listen', `127.0.0.1:${outboundPort}`, '--inbound-listen', '127.0.0.1:0'],
      ...['--admin', admin, '--listen-metrics', 'off', '--drain-time', '1'],
    ]),
  );
  await eventually('payments answers', async () => (await ask()).status === 200);
});

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (path = '/'): Promise<Answer> => call(outboundPort, path, { headers: { host: 'payments.shop' } });

async function command(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  const started = new StartedProcess(['breaker', ...args, '--admin', admin]);
  return { code: await started.exited, output: started.output };
}

async function states(): Promise<string[]> {
  const { output } = await command('list', '-o', 'json');
  const rows = JSON.parse(output) as ReadonlyArray<{ name: string; state: string; held_by_operator: boolean }>;
  return rows.map(({ name, state, held_by_operator }) => `${name} ${state}${held_by_operator ? ' held' : ''}`).sort();
}

test('a rule’s breaker opens for the rule alone, a Service’s for all of it; the answer names the policy', async () => {
  status = 503;
  expect((await ask('/reports')).status).toBe(503);
  const refused = await ask('/reports');
  expect(JSON.parse(refused.body)).toMatchObject({ flag: 'CB', rule: 'TrafficPolicy shop/reports' });
  expect(refused.headers['retry-after']).toMatch(/^\d+$/);
  for (let i = 0; i < 2; i++) expect((await ask()).body).toBe('done');
  const before = asked;
  expect(JSON.parse((await ask()).body)).toMatchObject({
    flag: 'CB',
    rule: 'TrafficPolicy shop/payments',
    error: expect.stringContaining('3 calls in a row failed (limit 3)') as string,
  });
  expect(asked).toBe(before);
  expect(await states()).toEqual([`${cluster} open`, 'payments.shop:80/shop/payments#rule-0 open']);
});

test('an update of something else leaves it open', async () => {
  const { port } = app.address() as AddressInfo;
  writeFileSync(file, configuration(port, 99));
  await eventually('the new limit is there', async () => {
    const [host, adminPort] = admin.split(':');
    expect(host).toBe('127.0.0.1');
    return (await call(Number(adminPort), '/clusters')).body.includes(`${cluster}::default_priority::max_requests::99`);
  });
  expect((await states())[0]).toBe(`${cluster} open`);
});

test('an operator releases it, and holds it, by the command line', async () => {
  status = 200;
  expect(await command('close', cluster)).toMatchObject({ code: 0 });
  expect((await ask()).body).toBe('done');
  expect((await command('open', cluster)).output).toMatch(/outbound\|80\|\|payments\.shop +open \(held\)/);
  expect(JSON.parse((await ask()).body)).toMatchObject({
    flag: 'CB',
    error: expect.stringContaining('held open by an operator') as string,
  });
  expect(await command('release', cluster)).toMatchObject({ code: 0 });
  for (let i = 0; i < 3; i++) expect((await ask()).status).toBe(200);
  expect((await states())[0]).toBe(`${cluster} closed`);
  const unknown = await command('open', 'nobody');
  expect(unknown.code).toBe(1);
  expect(unknown.output).toContain('there is no circuit breaker "nobody"');
  expect(await command('open')).toMatchObject({ code: 2 });
});

test('and through the control plane, for the sidecars of a service', async () => {
  const mesh = async (...args: string[]): Promise<{ readonly code: number; readonly output: string }> => {
    const started = new StartedProcess([
      ...['breaker', ...args, '--control-plane-admin', controlPlaneAdmin, '--data-dir', join(folder, 'data')],
    ]);
    return { code: await started.exited, output: started.output };
  };
  expect((await mesh('list', '--all')).output).toMatch(/outbound\|80\|\|payments\.shop +closed/);
  expect((await mesh('open', cluster, '--proxy', 'shop/web')).output).toMatch(/payments\.shop +open \(held\)/);
  expect(JSON.parse((await ask()).body)).toMatchObject({ flag: 'CB' });
  expect(await mesh('release', cluster, '--proxy', 'shop/web')).toMatchObject({ code: 0 });
  await eventually('it lets calls through', async () => (await ask()).status === 200);
  const nobody = await mesh('open', cluster, '--proxy', 'shop/nobody');
  expect(nobody.code).toBe(1);
  expect(nobody.output).toContain('shop/nobody');
  const unknown = await mesh('open', 'nothing', '--proxy', 'shop/web');
  expect(unknown.code).toBe(1);
  expect(unknown.output).toContain('no circuit breaker "nothing"');
});
