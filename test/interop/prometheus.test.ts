/** Prometheus itself: it scrapes a sidecar in each format, exemplars and native histograms among what it gets; promtool takes rules, alerts, their tests, and every expression of the dashboards. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { dashboardFiles } from '../../deploy/grafana/print-dashboards.ts';
import { dashboardExpressions } from '../../deploy/prometheus/dashboard-expressions.ts';
import { ask, RunningSidecar } from '../../sidecar/admin/test/running-sidecar.ts';
import { freePorts } from '../peers/free-port.ts';
import { peerPath } from '../peers/peer-path.ts';
import { StartedProgram } from '../peers/started-program.ts';

const rulesFolder = join(import.meta.dirname, '../../deploy/prometheus');
const program = (): string => {
  const path = peerPath('prometheus');
  if (path === null) throw new Error('prometheus is missing: node test/peers/install.ts prometheus');
  return path;
};
const promtool = (...args: string[]): string =>
  execFileSync(join(dirname(program()), 'promtool'), args, { cwd: rulesFolder, encoding: 'utf8' });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-prometheus-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('promtool takes the rules and alerts, and its tests of alerts pass', () => {
  expect(promtool('check', 'rules', 'rules.yaml', 'alerts.yaml')).not.toContain('FAILED');
  expect(promtool('test', 'rules', 'alerts-test.yaml', 'alerts-slow-test.yaml')).toContain('SUCCESS');
});

test('promtool takes every expression of the dashboards', () => {
  const rules = dashboardExpressions(dashboardFiles()).map(([, expr], index) => ({
    record: `dashboard:${index}`,
    expr,
  }));
  expect(rules.length).toBeGreaterThan(40);
  const file = join(folder, 'dashboards.yaml');
  writeFileSync(file, stringify({ groups: [{ name: 'dashboards', rules }] }));
  expect(promtool('check', 'rules', file)).toContain(`${rules.length} rules found`);
});

interface Answer<T> {
  readonly status: string;
  readonly error?: string;
  readonly data: T;
}
interface Vector {
  readonly result: ReadonlyArray<{
    readonly metric: Readonly<Record<string, string>>;
    readonly value: [number, string];
  }>;
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

describe.each([
  ['OpenMetrics', ['exemplar-storage']],
  ['protobuf, with native histograms', ['exemplar-storage', 'native-histograms']],
])('a Prometheus that scrapes by %s', (_name, features) => {
  const native = features.includes('native-histograms');
  let sidecar: RunningSidecar;
  let prometheus: StartedProgram;
  let port: number;

  beforeAll(async () => {
    sidecar = await RunningSidecar.start();
    [port] = (await freePorts(1)) as [number];
    const data = mkdtempSync(join(folder, 'data-'));
    const config = join(data, 'prometheus.yml');
    writeFileSync(
      config,
      stringify({
        global: { scrape_interval: '1s' },
        scrape_configs: [
          { job_name: 'sidecar', static_configs: [{ targets: [`127.0.0.1:${sidecar.sidecar.probePort}`] }] },
        ],
      }),
    );
    prometheus = new StartedProgram('prometheus', [
      program(),
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}/tsdb`,
      `--web.listen-address=127.0.0.1:${port}`,
      `--enable-feature=${features.join(',')}`,
    ]);
  });
  afterAll(async () => {
    await prometheus.stop();
    await sidecar.stop();
  });

  async function api<T>(path: string): Promise<T> {
    const answer = (await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()) as Answer<T>;
    if (answer.status !== 'success') throw new Error(answer.error);
    return answer.data;
  }
  const query = async (expression: string): Promise<Vector['result']> =>
    (await api<Vector>(`query?query=${encodeURIComponent(expression)}`)).result;

  test('has requests, durations, exemplars, and no fault of the scrape', async () => {
    for (let i = 0; i < 20; i++) await ask(sidecar.webPort, 'GET', '/');
    const [durations] = [...sidecar.sidecar.stats.histograms.values()].filter(
      ({ family }) => family === 'outrigger_request_duration_seconds',
    );
    await expect
      .poll(async () => (await query('up').catch(() => []))[0]?.value[1], { timeout: 60_000, interval: 200 })
      .toBe('1');
    for (let i = 0; i < 5; i++) await ask(sidecar.webPort, 'GET', '/');
    durations!.record(7);
    durations!.exemplify(7, traceId, '00f067aa0ba902b7', Date.now());
    await expect
      .poll(async () => (await query('sum(outrigger_requests_total)'))[0]?.value[1], { timeout: 30_000, interval: 200 })
      .toBe('25');
    const count = native
      ? 'histogram_count(outrigger_request_duration_seconds)'
      : 'outrigger_request_duration_seconds_count';
    await expect
      .poll(async () => (await query(`sum(${count})`))[0]?.value[1], { timeout: 30_000, interval: 200 })
      .toBe('26');
    const quantile = native
      ? 'histogram_quantile(1, outrigger_request_duration_seconds)'
      : 'histogram_quantile(1, outrigger_request_duration_seconds_bucket)';
    expect(Number((await query(quantile))[0]!.value[1])).toBeGreaterThan(0.0065);
    if (!native) {
      const bounds = await query('outrigger_request_duration_seconds_bucket');
      expect(bounds.map(({ metric }) => metric['le'])).toContain('1.0');
    }
    const series = native ? 'outrigger_request_duration_seconds' : 'outrigger_request_duration_seconds_bucket';
    const now = Date.now() / 1000;
    const range = `start=${now - 300}&end=${now + 60}`;
    const found = await api<ReadonlyArray<{ exemplars: ReadonlyArray<{ labels: object; value: string }> }>>(
      `query_exemplars?query=${series}&${range}`,
    );
    expect(found[0]!.exemplars[0]).toMatchObject({
      labels: { trace_id: traceId, span_id: '00f067aa0ba902b7' },
      value: '0.007',
    });
    const { activeTargets } = await api<{ activeTargets: ReadonlyArray<{ lastError: string }> }>('targets');
    expect(activeTargets.map(({ lastError }) => lastError)).toEqual(['']);
    const metadata = await api<Record<string, ReadonlyArray<{ type: string; unit: string; help: string }>>>('metadata');
    // OpenMetrics names the family, not its samples.
    expect(metadata[native ? 'outrigger_requests_total' : 'outrigger_requests']![0]).toMatchObject({ type: 'counter' });
  });
});
