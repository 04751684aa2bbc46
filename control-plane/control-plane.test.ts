/** How a control plane starts, or does not: beside broken configuration, with and without a last good one. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetricDescriptor } from '../metrics/metric-family.ts';
import { processMetrics } from '../metrics/process-figures.ts';
import { controlPlaneMetrics } from './admin/metric-catalog.ts';
import { type ControlPlaneOptions, type RunningControlPlane, startControlPlane } from './control-plane.ts';

let base: string;
let running: RunningControlPlane | null;
let logged: string[];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'outrigger-control-plane-'));
  mkdirSync(join(base, 'mesh'));
  running = null;
  logged = [];
});
afterEach(async () => {
  await running?.close();
  rmSync(base, { recursive: true, force: true });
});

const service = (port: number | string): string =>
  `apiVersion: outrigger.dev/v1\nkind: Service\nmetadata: { name: orders, namespace: shop }\nspec:\n  ports: [{ port: ${port} }]\n`;

async function start(dataDir: string, etcd: ControlPlaneOptions['etcd'] = null): Promise<RunningControlPlane> {
  running = await startControlPlane({
    configPaths: [join(base, 'mesh')],
    dataDir,
    listen: { host: '127.0.0.1', port: 0 },
    identity: null,
    etcd: etcd ?? null,
    listenAdmin: { host: '127.0.0.1', port: 0 },
    log: pino({ level: 'info', base: null }, { write: (line) => void logged.push(line) }),
  });
  return running;
}

test('a port that is taken is refused with its flag, and with who has it as far as its starter knows', async () => {
  const { port, adminPort } = await start(join(base, 'data'));
  const second = (ports: { readonly listen?: number; readonly listenAdmin?: number }): Promise<string> =>
    startControlPlane({
      configPaths: [],
      dataDir: join(base, 'second'),
      listen: { host: '127.0.0.1', port: ports.listen ?? 0 },
      identity: null,
      listenAdmin: { host: '127.0.0.1', port: ports.listenAdmin ?? 0 },
      log: pino({ level: 'silent' }),
      portTaken: (taken) => `the port is taken by the holder of ${taken}`,
    }).then(
      () => '',
      (error: Error) => error.message,
    );
  expect(await second({ listen: port })).toBe(
    `cannot listen on 127.0.0.1:${port}: the port is taken by the holder of ${port}; choose another with --listen`,
  );
  expect(await second({ listenAdmin: adminPort })).toBe(
    `cannot listen on 127.0.0.1:${adminPort}: the port is taken by the holder of ${adminPort}; choose another with --listen-admin`,
  );
});

test('with a store that is not there it starts all the same, and says what would be shared and that nothing is', async () => {
  // Nobody listens on a port that was just given back.
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  const member = { host: '127.0.0.1', port, text: `127.0.0.1:${port}` };
  const { adminPort } = await start(join(base, 'data'), { members: [member], prefix: '/outrigger/', tls: null });
  await expect.poll(() => logged.join(''), { timeout: 10_000 }).toContain('rate limit counters are not shared');
  expect(logged.join('')).toContain(`etcd at 127.0.0.1:${port}: connection refused; this control plane goes on`);
  expect(logged.join('')).toContain('etcd has part in the counters of global rate limits only');
  const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  expect(metrics).toContain('outrigger_store_connected{store="etcd"} 0\n');
});

test('what is likely not meant is told once, when it begins', async () => {
  const file = join(base, 'mesh/a.yaml');
  const policy = (limit: number): string =>
    `${service(80)}---\napiVersion: outrigger.dev/v1\nkind: TrafficPolicy\nmetadata: { name: p, namespace: shop }\nspec:\n  targetRefs: [{ kind: Service, name: orders }]\n  limits: { maxRetries: ${limit} }\n`;
  const told = (): string[] =>
    logged
      .map((line) => (JSON.parse(line) as { readonly msg: string }).msg)
      .filter((text) => text.includes('maxRetries'));
  writeFileSync(file, policy(0));
  await start(join(base, 'data'));
  const line = `${file}:12:13: TrafficPolicy shop/p: spec.limits.maxRetries: 0: no request is tried again, whatever retries says; a retry budget that is given goes before it`;
  expect(told()).toEqual([line]);
});

describe('a control plane whose configuration is broken at the start', () => {
  test('does not start, and names every fault of every file', async () => {
    writeFileSync(join(base, 'mesh/a.yaml'), service('"x"'));
    writeFileSync(join(base, 'mesh/b.yaml'), 'kind: [');
    const failure = await start(join(base, 'data')).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(failure.split('\n')).toEqual([
      expect.stringMatching(/a\.yaml:5:13: spec\.ports\[0\]\.port: /),
      expect.stringMatching(/b\.yaml:1:8: is not YAML/),
    ]);
  });

  test('goes on with the last good content that is in its data directory, and says so', async () => {
    const file = join(base, 'mesh/a.yaml');
    writeFileSync(file, service(80));
    await (await start(join(base, 'data'))).close();
    writeFileSync(file, service('"x"'));
    logged = [];
    const { adminPort } = await start(join(base, 'data'));
    const told = logged.find((line) => line.includes('spec.ports[0].port'));
    expect(told).toMatch(/"level":50.*a\.yaml:5:13.*the last good content, of 2\d{3}-.*Z, stays in force/);
    const services: unknown = await (await fetch(`http://127.0.0.1:${adminPort}/api/v1/services`)).json();
    expect(JSON.stringify(services)).toContain('orders');
  });
});

test('every metric has a description, its type, and no label that is not described; a scraper may take OpenMetrics', async () => {
  writeFileSync(join(base, 'mesh', 'orders.yaml'), service(80));
  const { adminPort } = await start(join(base, 'data'));
  const scrape = (accept: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${adminPort}/metrics`, { headers: { accept } });
  const known = new Map<string, MetricDescriptor>(
    [...controlPlaneMetrics, ...processMetrics].map((metric) => [metric.name, metric]),
  );
  let family = '';
  for (const line of (await (await scrape('text/plain')).text()).trimEnd().split('\n')) {
    if (line.startsWith('# HELP')) continue;
    if (line.startsWith('# TYPE')) {
      const [, , name = '', type = ''] = line.split(' ');
      family = name;
      expect(known.get(family)?.type, family).toBe(type);
    } else
      for (const [, label = ''] of line.matchAll(/[{,]([a-z_]+)="/g))
        if (label !== 'le') expect(known.get(family)!.labels, line).toContain(label);
  }
  const openMetrics = await scrape('application/openmetrics-text;version=1.0.0');
  expect(openMetrics.headers.get('content-type')).toContain('application/openmetrics-text');
  const text = await openMetrics.text();
  expect(text).toContain('outrigger_source_objects{source="files",kind="Service"} 1\n');
  expect(text).toContain('outrigger_xds_convergence_seconds_count 0\n');
  expect(text.endsWith('# EOF\n')).toBe(true);
});
