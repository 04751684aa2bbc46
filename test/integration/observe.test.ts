/** Live traffic as a user sees it: a control plane, two sidecars as processes, a service that fails, and `outrigger explain`, `edges`, `top` and `tap`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-observe-'));
const dataDir = join(folder, 'data');
const processes: StartedProcess[] = [];
let app: Server;
let outboundPort = 0;
let admin = '';

beforeAll(async () => {
  app = createServer((incoming, response) => {
    if (incoming.url === '/never') return;
    response.statusCode = incoming.url === '/broken' ? 500 : 200;
    response.setHeader('set-cookie', 'sid=secret');
    response.end('done');
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const [plain, tls, adminPort] = [await unusedPort(), await unusedPort(), await unusedPort()];
  outboundPort = await unusedPort();
  admin = `127.0.0.1:${adminPort}`;
  writeFileSync(
    join(folder, 'shop.yaml'),
    `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: payments, namespace: shop }
spec: { ports: [{ port: 80, appProtocol: http }] }
---
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: gone, namespace: shop }
spec:
  ports: [{ port: 80, appProtocol: http }]
  endpoints: [{ address: 127.0.0.1, port: ${await unusedPort()} }]
---
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: moved, namespace: shop }
spec: { ports: [{ port: 80, appProtocol: http }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: moved, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: moved }]
  rules: [{ backendRefs: [{ name: nowhere, port: 80 }] }]
---
apiVersion: outrigger.dev/v1
kind: TrafficPolicy
metadata: { name: impatient, namespace: shop }
spec: { targetRefs: [{ kind: Service, name: slow }], timeouts: { request: 300ms } }
---
# No sidecar is there: it would be told what time is left, and could be the first to end the request.
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: slow, namespace: shop }
spec:
  ports: [{ port: 80, appProtocol: http }]
  endpoints: [{ address: 127.0.0.1, port: ${(app.address() as AddressInfo).port} }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: payments, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: payments }]
  rules:
    - matches: [{ path: { value: /never } }]
      timeouts: { request: 300ms }
      backendRefs: [{ name: payments, port: 80 }]
    - backendRefs: [{ name: payments, port: 80 }]
`,
  );
  const sidecar = async (service: string, appPort: number, outbound: string): Promise<StartedProcess> =>
    new StartedProcess([
      'sidecar',
      ...['--service', service, '--app-port', String(appPort), '--data-dir', dataDir],
      ...['--control-plane', `127.0.0.1:${plain}`, '--control-plane-tls', `127.0.0.1:${tls}`],
      ...['--outbound-listen', outbound, '--inbound-listen', `127.0.0.1:${await unusedPort()}`],
      ...['--admin', `127.0.0.1:${await unusedPort()}`, '--listen-metrics', 'off', '--drain-time', '1'],
    ]);
  processes.push(
    new StartedProcess([
      'control-plane',
      ...['--config', join(folder, 'shop.yaml'), '--data-dir', dataDir, '--listen', `127.0.0.1:${plain}`],
      ...['--listen-tls', `127.0.0.1:${tls}`, '--listen-admin', admin],
    ]),
  );
  await eventually('the control plane is ready', async () => (await call(adminPort, '/healthz/ready')).status === 200);
  processes.push(
    await sidecar('shop/payments', (app.address() as AddressInfo).port, `127.0.0.1:${await unusedPort()}`),
    await sidecar('shop/web', 1, `127.0.0.1:${outboundPort}`),
  );
  await eventually('payments answers', async () => (await ask('payments', '/')).status === 200);
  await eventually('both sidecars attend', async () => {
    const { proxies } = JSON.parse((await call(adminPort, '/api/v1/edges')).body) as { proxies: number };
    return proxies === 2;
  });
});

afterAll(async () => {
  await Promise.all(processes.map((started) => started.stop()));
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

function ask(service: string, path: string): Promise<Answer> {
  const headers = { host: `${service}.shop`, authorization: 'Bearer secret' };
  return call(outboundPort, path, { headers });
}

async function command(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  const started = new StartedProcess([...args, '--admin', admin]);
  return { code: await started.exited, output: started.output };
}

test('a failed call is explained over both of its hops, by request id', async () => {
  const { headers } = await ask('payments', '/broken');
  const { code, output } = await command('explain', String(headers['x-request-id']));
  expect(output).toMatch(/^GET \/broken from web, .* answered 500 in /);
  expect(output).toMatch(/\n {2}web +sidecar out .*payments:80 .*500/);
  expect(output).toMatch(/\n {4}payments +sidecar in .*→ the application {2}500/);
  expect(output).toContain('Why: Payments itself answered 500: the mesh only passed it on.');
  expect(code).toBe(0);
});

test('a call that reached nobody says why, whom it was for, and what next', async () => {
  const { headers, body } = await ask('gone', '/');
  expect(JSON.parse(body)).toMatchObject({ flag: expect.stringContaining('UF') as string });
  const { output } = await command('explain', String(headers['x-request-id']));
  expect(output).toMatch(/gone +sidecar in {3}never reached/);
  expect(output).toContain('No connection could be made to 127.0.0.1:');
  expect(output).toContain('outrigger tap --to gone --errors');
});

test('of a request whose time was over, the policy that set it, and where that stands', async () => {
  const { headers, body } = await ask('slow', '/never');
  expect(JSON.parse(body)).toMatchObject({ flag: 'UT', rule: 'TrafficPolicy shop/impatient' });
  const { output } = await command('explain', String(headers['x-request-id']));
  expect(output).toContain('which is the time that TrafficPolicy shop/impatient gives for the whole request');
  expect(output).toMatch(/Next: TrafficPolicy shop\/impatient is in .*shop\.yaml:26\n/);
});

test('the policy is named too where the sidecar of the callee, which is told what time is left, may be first', async () => {
  const { headers, body } = await ask('payments', '/never');
  expect(JSON.parse(body)).toMatchObject({ flag: 'UT' });
  const { output } = await command('explain', String(headers['x-request-id']));
  expect(output).toMatch(/which is (?:what was left of )?the time that HTTPRoute shop\/payments gives for the whole/);
  expect(output).toMatch(/Next: HTTPRoute shop\/payments is in .*shop\.yaml:39\n/);
});

test('of a route to a backend that is missing, the route, where it stands, and what is missing', async () => {
  const { headers, status } = await ask('moved', '/');
  expect(status).toBe(500);
  const { output } = await command('explain', String(headers['x-request-id']));
  expect(output).toContain('Why: HTTPRoute shop/moved has no backend that exists');
  expect(output).toContain('There is no Service shop/nowhere.');
  expect(output).toMatch(/Next: HTTPRoute shop\/moved is in .*shop\.yaml:19\n/);
});

test('what nobody knows ends with 1', async () => {
  expect(await command('explain', 'nobody-knows-it')).toMatchObject({ code: 1 });
});

test('edges and top show who calls whom, under mTLS', async () => {
  let rows: Array<{ source: string; destination: string; securedShare: number }> = [];
  await eventually('the edge is there', async () => {
    await ask('payments', '/');
    rows = JSON.parse((await command('edges', '-o', 'json')).output) as typeof rows;
    return rows.some(({ destination }) => destination === 'shop/payments');
  });
  expect(rows.filter(({ destination }) => destination === 'shop/payments')).toMatchObject([
    { source: 'shop/web', securedShare: 1 },
  ]);
  const { output } = await command('top', '--to', 'payments');
  expect(output).toMatch(/ROUTE +FROM +TO/);
  expect(output).toMatch(/shop\/web +shop\/payments +out/);
});

test('a tap shows requests as they end, by a filter, with secrets masked', async () => {
  const tap = new StartedProcess([
    'tap',
    ...['--to', 'payments', '--side', 'in', '--path', '/tapped', '--headers', '--bodies', '10', '--limit', '2'],
    ...['-o', 'json', '--data-dir', dataDir, '--admin', admin],
  ]);
  // Beside them may stand what it says of sidecars that do not answer.
  const shown = (): string[] => tap.output.match(/^\{.*\}$/gm) ?? [];
  await eventually('two were shown', async () => {
    await ask('payments', '/tapped');
    return shown().length === 2;
  });
  expect(await tap.exited).toBe(0);
  // The first may have been under way when the tap began, and then its bodies are not known.
  const record = JSON.parse(shown()[1]!) as Record<string, unknown>;
  expect(record).toMatchObject({ direction: 'inbound', path: '/tapped', source: 'shop/web' });
  expect(record['requestHeaders']).toMatchObject({ authorization: 'Bearer (hidden)' });
  expect(record['responseHeaders']).toMatchObject({ 'set-cookie': '(hidden)' });
  expect(Buffer.from(String(record['responseBody']), 'base64').toString()).toBe('done');
  expect(tap.output).not.toContain('secret');
});

test('a tap without the local token is refused', async () => {
  const { code, output } = await command('tap', '--data-dir', folder);
  expect(code).toBe(1);
  expect(output).toContain('there is no');
});
