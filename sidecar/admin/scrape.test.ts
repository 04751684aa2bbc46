/** What a scraper gets of a real sidecar, and what one that hangs does to others. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processMetrics } from '../../metrics/process-figures.ts';
import { sidecarMetrics } from '../stats/metric-catalog.ts';
import { ask, RunningSidecar } from './test/running-sidecar.ts';

let running: RunningSidecar;
beforeAll(async () => {
  running = await RunningSidecar.start();
  for (let i = 0; i < 3; i++) await ask(running.webPort, 'GET', '/');
});
afterAll(() => running.stop());

const openMetrics = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';

function scrape(accept: string, more: Readonly<Record<string, string>> = {}) {
  return ask(running.sidecar.probePort, 'GET', '/metrics', { accept, ...more });
}

test('every family has a description, its type, and no label that is not described', async () => {
  const { headers, body } = await scrape('');
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  const known = new Map([...sidecarMetrics, ...processMetrics].map((metric) => [metric.name, metric]));
  const seen = new Set<string>();
  let type = '';
  let family = '';
  for (const line of body.trimEnd().split('\n')) {
    if (line.startsWith('# HELP')) continue;
    if (line.startsWith('# TYPE')) {
      [, , family, type] = line.split(' ') as [string, string, string, string];
      if (family.startsWith('envoy_')) continue;
      seen.add(family);
      expect(known.get(family)?.type, family).toBe(type);
      continue;
    }
    if (family.startsWith('envoy_')) continue;
    const labels = [...line.matchAll(/[{,]([a-z_]+)="/g)].map((match) => match[1]!);
    for (const label of labels) if (label !== 'le') expect(known.get(family)!.labels, line).toContain(label);
  }
  for (const { name } of processMetrics) expect(seen).toContain(name);
  for (const name of ['requests_total', 'upstream_connections', 'bulkhead_in_use', 'retry_budget_exhausted_total'])
    expect(seen).toContain(`outrigger_${name}`);
  expect(body).toMatch(/^process_cpu_seconds_total \d+(?:\.\d+)?$/m);
  expect(body).toMatch(/^outrigger_metric_label_overflow_total\{label="source"\} 0$/m);
});

test('OpenMetrics and gzip are for who takes them; HEAD has no body', async () => {
  const { headers, body } = await scrape(openMetrics);
  expect(headers['content-type']).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
  expect(body).toContain('# TYPE outrigger_requests counter\n');
  expect(body).toContain('# UNIT outrigger_request_duration_seconds seconds\n');
  expect(body.endsWith('# EOF\n')).toBe(true);
  const head = await ask(running.sidecar.probePort, 'HEAD', '/metrics', { accept: openMetrics });
  expect([head.status, head.body]).toEqual([200, '']);
  const answer = await fetch(`http://127.0.0.1:${running.sidecar.probePort}/metrics`, {
    headers: { accept: openMetrics, 'accept-encoding': 'gzip' },
  });
  expect(answer.headers.get('content-encoding')).toBe('gzip');
  expect(await answer.text()).toContain('# EOF');
});

test('native histograms are kept from the first time that somebody takes them', async () => {
  const durations = (): boolean[] =>
    [...running.sidecar.stats.histograms.values()]
      .filter(({ family }) => family === 'outrigger_request_duration_seconds')
      .map(({ native }) => native !== null);
  expect(durations()).toEqual([false]);
  const protobuf = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';
  const { headers } = await scrape(protobuf);
  expect(headers['content-type']).toContain('application/vnd.google.protobuf');
  expect(durations()).toEqual([true]);
  await ask(running.webPort, 'GET', '/');
  const [histogram] = [...running.sidecar.stats.histograms.values()].filter(
    ({ native }) => native !== null && native.counts.length > 0,
  );
  expect(histogram!.native!.counts.reduce((sum, count) => sum + count, 0) + histogram!.native!.zeroCount).toBe(
    histogram!.count,
  );
});

test('fifty scrapers that ask and do not read harm nobody: requests pass, others scrape, and what is held for them is little', async () => {
  const { stats } = running.sidecar;
  for (let i = 0; i < 4_000; i++)
    stats.histogram('load', 'outrigger_bulkhead_queue_wait_seconds', { n: String(i) }).record(1);
  const sockets: Socket[] = [];
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 50; i++) {
    const socket = connect({ port: running.sidecar.probePort, host: '127.0.0.1' });
    socket.pause();
    await once(socket, 'connect');
    socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
    sockets.push(socket);
  }
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const started = performance.now();
    expect((await ask(running.webPort, 'GET', '/')).status).toBe(200);
    times.push(performance.now() - started);
  }
  const { body } = await ask(running.sidecar.probePort, 'GET', '/metrics', {}, '127.0.0.2');
  expect(body.length).toBeGreaterThan(5_000_000);
  // All 50 answers would be 400 MB.
  expect(process.memoryUsage.rss() - before).toBeLessThan(150e6);
  expect(times.sort((a, b) => a - b)[10]).toBeLessThan(500);
  for (const socket of sockets) socket.destroy();
}, 60_000);
