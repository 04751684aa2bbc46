/**
 * Inbound limits as a user has them: a TrafficPolicy, the control plane, a sidecar as a process in front of an application that answers when it is told to. Nothing here depends on how long something takes: requests wait for an hour.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-inbound-'));
const file = join(folder, 'shop.yaml');
const processes: StartedProcess[] = [];
/** Requests that are with the application, the oldest first. */
const inHand: Array<{ readonly path: string; readonly response: ServerResponse }> = [];
let app: Server;
let sidecar: StartedProcess;
let inboundPort = 0;
let metricsPort = 0;

function configuration(limits: string): string {
  return `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: orders, namespace: shop }
spec: { ports: [{ port: 80, appProtocol: http }] }
---
apiVersion: outrigger.dev/v1
kind: PeerAuthentication
metadata: { name: plaintext, namespace: shop }
spec: { mtls: { mode: DISABLE } }
---
apiVersion: outrigger.dev/v1
kind: TrafficPolicy
metadata: { name: orders, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: orders }]
  inboundLimits: ${limits}
  priorities: [{ match: { paths: [/pay] }, priority: critical }, { match: { paths: [/bulk*] }, priority: sheddable }]
`;
}

beforeAll(async () => {
  app = createServer((incoming, response) => {
    const path = incoming.url ?? '';
    if (path === '/ready') response.end('ready');
    else inHand.push({ path, response });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const [controlPlanePort, adminPort] = [await unusedPort(), await unusedPort()];
  inboundPort = await unusedPort();
  metricsPort = await unusedPort();
  writeFileSync(file, configuration('{ perRoute: [{ name: pay, match: { paths: [/pay] }, maxRequests: 1 }] }'));
  sidecar = new StartedProcess([
    'sidecar',
    ...['--service', 'shop/orders', '--app-port', String((app.address() as AddressInfo).port)],
    ...['--control-plane', `127.0.0.1:${controlPlanePort}`, '--inbound-listen', `127.0.0.1:${inboundPort}`],
    ...['--outbound-listen', '127.0.0.1:0', '--admin', `127.0.0.1:${await unusedPort()}`],
    ...['--listen-metrics', `127.0.0.1:${metricsPort}`, '--drain-time', '60'],
  ]);
  processes.push(
    new StartedProcess([
      'control-plane',
      ...['--config', file, '--data-dir', join(folder, 'data')],
      ...['--listen', `127.0.0.1:${controlPlanePort}`, '--listen-admin', `127.0.0.1:${adminPort}`],
    ]),
    sidecar,
  );
  await eventually('the application answers', async () => (await ask('/ready')).status === 200);
});

afterAll(async () => {
  for (const { response } of inHand.splice(0)) response.destroy();
  await Promise.all(processes.map((started) => started.stop()));
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (path: string, options: Parameters<typeof call>[2] = {}): Promise<Answer> =>
  call(inboundPort, path, options);

async function metric(name: string): Promise<string | undefined> {
  const { body } = await call(metricsPort, '/metrics');
  return body
    .split('\n')
    .find((line) => line.startsWith(`outrigger_bulkhead_${name} `))
    ?.split(' ')
    .at(-1);
}

const shows = (name: string, value: number): Promise<void> =>
  eventually(`${name} is ${value}`, async () => (await metric(name)) === String(value));

const arrived = (count: number): Promise<void> =>
  eventually(`${count} requests are with the application`, async () => inHand.length === count);

/** Answers the oldest request that the application has. */
function answerOne(): string {
  const { path, response } = inHand.shift()!;
  response.end('done');
  return path;
}

const workloadWaiting = 'waiting{scope="workload",name=""}';

test('what is beyond a limit is refused, naming the policy; other routes are not', async () => {
  const first = ask('/pay');
  await arrived(1);
  const refused = await ask('/pay?again');
  expect(refused.status).toBe(503);
  expect(refused.headers['retry-after']).toBe('1');
  expect(JSON.parse(refused.body)).toMatchObject({
    ...{ flag: 'UO', rule: 'TrafficPolicy shop/orders', details: 'inbound_limit{route}', limit: 'route' },
  });
  expect((await ask('/ready')).status).toBe(200);
  answerOne();
  expect((await first).body).toBe('done');
  expect(await metric('refused_total{scope="route",name="pay",reason="limit"}')).toBe('1');
});

test('with a queue they wait, the critical in front and what can be shed behind; a full one sheds that first', async () => {
  const overload = '{ target: 30m, interval: 1h }';
  writeFileSync(
    file,
    configuration(`{ maxRequests: 1, queue: { maxRequests: 3, maxWait: 1h, overload: ${overload} } }`),
  );
  await shows('limit{scope="workload",name=""}', 1);
  const answers: Array<Promise<Answer>> = [ask('/first')];
  await arrived(1);
  const bulk = ask('/bulk');
  await shows(workloadWaiting, 1);
  answers.push(ask('/a', { method: 'POST', body: 'x'.repeat(100_000) }));
  await shows(workloadWaiting, 2);
  answers.push(ask('/b'));
  await shows(workloadWaiting, 3);
  answers.push(ask('/pay'));
  const shed = await bulk;
  expect(shed.status).toBe(503);
  expect(JSON.parse(shed.body)).toMatchObject({ details: 'inbound_queue_displaced{workload}' });
  const served: string[] = [];
  for (let i = 0; i < 4; i++) {
    await arrived(1);
    served.push(answerOne());
  }
  expect(served).toEqual(['/first', '/pay', '/a', '/b']);
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  await shows('requests{scope="workload",name=""}', 0);
});

test('a caller that is gone leaves the queue at once', async () => {
  const first = ask('/first');
  await arrived(1);
  const session: ClientHttp2Session = connect(`http://127.0.0.1:${inboundPort}`);
  session.on('error', () => {});
  const stream = session.request({ ':path': '/gone', ':method': 'POST' });
  stream.on('error', () => {});
  stream.write('a part');
  await shows(workloadWaiting, 1);
  stream.close(constants.NGHTTP2_CANCEL);
  await shows(workloadWaiting, 0);
  session.destroy();
  answerOne();
  expect((await first).status).toBe(200);
  expect((await ask('/ready')).status).toBe(200);
  expect(inHand).toEqual([]);
});

test('a drain waits for those who wait, and they are served', async () => {
  const answers = [ask('/first')];
  await arrived(1);
  answers.push(ask('/second'));
  await shows(workloadWaiting, 1);
  const stopped = sidecar.stop();
  await eventually('it drains', async () => (await call(metricsPort, '/healthz/ready')).status !== 200);
  answerOne();
  await arrived(1);
  answerOne();
  expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['done', 'done']);
  expect(await stopped).toBe(0);
});
