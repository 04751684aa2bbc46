/** The commands that look at one sidecar, as a user runs them beside a real one under a control plane: stats, config, config diff, logs level. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ResourceDifference } from '../../cli/config/config-differences.ts';
import type { ConfigResource } from '../../cli/config/config-resource.ts';
import type { RateRow } from '../../cli/stats/counter-rates.ts';
import { call, eventually, StartedProcess, unusedPort } from './started-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-sidecar-commands-'));
const file = join(folder, 'shop.yaml');
const cluster = 'outbound|80||payments.shop';
let app: Server;
let controlPlane: StartedProcess;
const sidecars: StartedProcess[] = [];
let outboundPort = 0;
let at = '';
let adminOne = '';
let adminTwo = '';

function configuration(maxRequests: number): string {
  return `
apiVersion: outrigger.dev/v1
kind: Service
metadata: { name: payments, namespace: shop }
spec:
  ports: [{ port: 80, appProtocol: http }]
  endpoints: [{ address: 127.0.0.1, port: ${(app.address() as AddressInfo).port} }]
---
apiVersion: outrigger.dev/v1
kind: TrafficPolicy
metadata: { name: payments, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: payments }]
  limits: { maxRequests: ${maxRequests} }
`;
}

function sidecar(nodeId: string, outbound: number, admin: string): StartedProcess {
  return new StartedProcess([
    ...['sidecar', '--service', 'shop/web', '--app-port', '1', '--control-plane', at, '--node-id', nodeId],
    ...['--outbound-listen', `127.0.0.1:${outbound}`, '--inbound-listen', '127.0.0.1:0', '--no-register'],
    ...['--admin', admin, '--listen-metrics', 'off', '--drain-time', '0', '--no-identity'],
  ]);
}

beforeAll(async () => {
  app = createServer((_, response) => response.end('done'));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  at = `127.0.0.1:${await unusedPort()}`;
  outboundPort = await unusedPort();
  adminOne = `127.0.0.1:${await unusedPort()}`;
  adminTwo = `127.0.0.1:${await unusedPort()}`;
  writeFileSync(file, configuration(100));
  controlPlane = new StartedProcess([
    ...['control-plane', '--config', file, '--data-dir', join(folder, 'data'), '--listen', at],
    ...['--listen-admin', `127.0.0.1:${await unusedPort()}`],
  ]);
  sidecars.push(sidecar('web-one', outboundPort, adminOne), sidecar('web-two', await unusedPort(), adminTwo));
  await eventually('payments answers', async () => (await ask()).status === 200);
  await eventually('the other is ready', async () => (await call(portOf(adminTwo), '/ready')).status === 200);
});

afterAll(async () => {
  await Promise.all([...sidecars, controlPlane].map((started) => started.stop()));
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

const portOf = (address: string): number => Number(address.split(':')[1]);
const ask = () => call(outboundPort, '/', { headers: { host: 'payments.shop' } });

async function outrigger(...words: string[]): Promise<{ readonly code: number; readonly output: string }> {
  const started = new StartedProcess(words);
  return { code: await started.exited, output: started.output };
}

async function json<T>(...words: string[]): Promise<T> {
  const { output } = await outrigger(...words, '-o', 'json');
  return JSON.parse(output) as T;
}

test('stats: figures by a pattern, as a table and as data; a pattern that is none is named', async () => {
  const filter = ['--filter', `payments\\.shop\\.upstream_rq_(total|time)$`, '--admin', adminOne];
  const { code, output } = await outrigger('stats', ...filter);
  expect(code).toBe(0);
  expect(output).toMatch(/^NAME +VALUE\ncluster\.outbound\|80\|\|payments\.shop\.upstream_rq_/);
  expect(await json('stats', '--filter', `payments\\.shop\\.upstream_rq_total$`, '--sidecar-admin', adminOne)).toEqual([
    { name: `cluster.${cluster}.upstream_rq_total`, kind: 'counter', value: expect.any(Number) as number },
  ]);
  expect(await outrigger('stats', '--filter', '(', '--admin', adminOne)).toMatchObject({
    code: 2,
    output: expect.stringMatching(/^outrigger: --filter: "\(" is not a regular expression/) as string,
  });
  expect((await outrigger('stats', '--filter', 'nothing_is_so', '--admin', adminOne)).output).toBe(
    'NAME   VALUE\noutrigger: no figure matches nothing_is_so, of those that were ever counted; --all shows the others too\n',
  );
});

test('stats --watch: what was counted meanwhile, per second', async () => {
  const looks = new StartedProcess([
    ...['stats', '--watch', '1s', '--count', '2', '--filter', 'payments\\.shop\\.upstream_rq_total$', '-o', 'json'],
    ...['--admin', adminOne],
  ]);
  let asking = true;
  void looks.exited.then(() => (asking = false));
  while (asking) await ask();
  expect(await looks.exited).toBe(0);
  const rows = looks.output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RateRow[]);
  expect(rows).toHaveLength(2);
  for (const [row] of rows) expect(row!.per_second).toBeGreaterThan(0);
});

test('logs level: shows it, sets it, and refuses one that there is not', async () => {
  expect(await outrigger('logs', 'level', '--admin', adminOne)).toEqual({ code: 0, output: 'LEVEL\ninfo\n' });
  expect(await json('logs', 'level', 'debug', '--admin', adminOne)).toEqual([{ level: 'debug', before: 'info' }]);
  expect(await outrigger('logs', 'level', 'loud', '--admin', adminOne)).toEqual({
    code: 2,
    output: 'outrigger: "loud" is no log level; name one of trace, debug, info, warn, error, off\n',
  });
  expect(await json('logs', 'level', '--admin', adminOne)).toEqual([{ level: 'debug' }]);
});

test('config: tables of what is in force, and the resources themselves by kind and name', async () => {
  const { code, output } = await outrigger('config', '--admin', adminOne);
  expect(code).toBe(0);
  expect(output).toMatch(/^LISTENER +ADDRESS +TAKES/m);
  expect(output).toMatch(new RegExp(`^outbound +127\\.0\\.0\\.1:${outboundPort} +HTTP by routes `, 'm'));
  expect(output).toMatch(/^outbound +payments and \d more +\/\* +outbound\|80\|\|payments\.shop +active$/m);
  expect(output).toMatch(
    new RegExp(`^outbound\\|80\\|\\|payments\\.shop +127\\.0\\.0\\.1:${(app.address() as AddressInfo).port} `, 'm'),
  );
  const found = await json<ConfigResource[]>('config', '--admin', adminOne, '--type', 'clusters', '--name', 'payments');
  expect(found).toMatchObject([{ kind: 'clusters', name: cluster, origin: 'dynamic', resource: { name: cluster } }]);
  expect((await outrigger('config', '--admin', adminOne, '--name', 'nothing')).output).toMatch(
    /^outrigger: none of \d+ resources is meant/,
  );
});

test('config PROXY: what the control plane has sent it, by a part of its name too', async () => {
  const found = await json<ConfigResource[]>('config', 'one', '--control-plane', at, '--type', 'clusters');
  expect(found.find(({ name }) => name === cluster)).toMatchObject({ state: 'SYNCED', resource: { name: cluster } });
  expect(await outrigger('config', 'web', '--control-plane', at)).toMatchObject({
    code: 2,
    output: expect.stringMatching(/^outrigger: web may be web-(one|two), web-(one|two); say which\n$/) as string,
  });
  expect((await outrigger('config', 'web-three', '--control-plane', at)).output).toContain(
    'no proxy web-three is connected',
  );
});

test('config diff: none with the control plane; two sidecars by what differs; a file from before', async () => {
  const before = join(folder, 'before.json');
  writeFileSync(before, JSON.stringify(await json('config', '--admin', adminOne)));
  const control = ['--control-plane', at, '--admin', adminOne];
  expect(await outrigger('config', 'diff', ...control)).toMatchObject({
    code: 0,
    output: expect.stringMatching(
      /^outrigger: no difference between the control plane at .*, for web-one and the sidecar at/,
    ) as string,
  });
  const two = await json<ResourceDifference[]>('config', 'diff', adminOne, adminTwo);
  expect(two.flatMap(({ kind, name, fields }) => fields.map(({ path }) => `${kind} ${name} ${path}`))).toContain(
    'listeners outbound address.socket_address.port_value',
  );
  writeFileSync(file, configuration(99));
  await eventually('the new limit is there', async () => {
    const { code } = await outrigger('config', 'diff', before, '--admin', adminOne, '--type', 'clusters');
    return code === 1;
  });
  const { output } = await outrigger('config', 'diff', before, '--admin', adminOne, '--type', 'clusters');
  expect(output).toMatch(/^~ clusters outbound\|80\|\|payments\.shop {3}version \S+ \| \S+$/m);
  expect(output).toMatch(/max_requests: 100 \| 99$/m);
  await eventually(
    'the sidecar has what the control plane has',
    async () => (await outrigger('config', 'diff', ...control)).code === 0,
  );
  expect(await outrigger('config', '--admin', adminOne, 'diff')).toMatchObject({
    code: 2,
    output: expect.stringMatching(/^outrigger: write --sidecar-admin behind config diff/) as string,
  });
});

test('where no sidecar is, each says so in one line', async () => {
  for (const words of [['stats'], ['config'], ['config', 'diff'], ['logs', 'level']])
    expect(await outrigger(...words, '--admin', '127.0.0.1:1')).toEqual({
      code: 1,
      output: "outrigger: no sidecar's admin port at 127.0.0.1:1 (connection refused); name it with --sidecar-admin\n",
    });
});
