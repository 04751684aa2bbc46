import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { controlPlaneMetrics } from '../control-plane/admin/metric-catalog.ts';
import { sidecarMetrics } from '../sidecar/stats/metric-catalog.ts';
import { withTables } from './print-metrics.ts';

const root = join(import.meta.dirname, '..');

test('docs/metrics.md is what the code says (node cli/print-metrics.ts)', () => {
  const page = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
  expect(page).toBe(withTables(page));
  for (const { name } of [...sidecarMetrics, ...controlPlaneMetrics]) expect(page).toContain(`| \`${name}\` |`);
});

test('every family that the sidecar counts under a name of ours is in its catalog', () => {
  const known = new Set(sidecarMetrics.map(({ name }) => name));
  const unknown = readdirSync(join(root, 'sidecar'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/test|xds\/api\//.test(file))
    .flatMap((file) =>
      [...readFileSync(join(root, 'sidecar', file), 'utf8').matchAll(/'(outrigger_[a-z0-9_]*[a-z0-9])'/g)]
        .map((match) => match[1]!)
        .filter((name) => !known.has(name) && !notMetrics.has(name))
        .map((name) => `${file}: ${name}`),
    );
  expect(unknown).toEqual([]);
});

test('no name has a type of metrics in it (promtool check metrics)', () => {
  const names = [...sidecarMetrics, ...controlPlaneMetrics].map(({ name }) => name);
  expect(names.filter((name) => /_(counter|gauge|histogram|summary|untyped)(_|$)/.test(name))).toEqual([]);
});

/** Of /clusters, and one among Envoy's statistics. */
const notMetrics: ReadonlySet<string> = new Set([
  'outrigger_ejections',
  'outrigger_last_ejection',
  'outrigger_cx_certificate_ending',
]);
