/** `node cli/print-metrics.ts`: writes the tables of docs/metrics.md from what the code says of its metrics. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { controlPlaneMetrics } from '../control-plane/admin/metric-catalog.ts';
import type { MetricDescriptor } from '../metrics/metric-family.ts';
import { processMetrics } from '../metrics/process-figures.ts';
import { sidecarMetrics } from '../sidecar/stats/metric-catalog.ts';

const page = join(import.meta.dirname, '..', 'docs', 'metrics.md');

const tables: Readonly<Record<string, readonly MetricDescriptor[]>> = {
  sidecar: sidecarMetrics,
  'control plane': controlPlaneMetrics,
  process: processMetrics,
};

function table(metrics: readonly MetricDescriptor[]): string {
  return [
    '| name | type | labels | is |',
    '|---|---|---|---|',
    ...metrics.map(
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help.replaceAll('|', '\\|')} |`,
    ),
  ].join('\n');
}

/** The page with tables as the code has them. */
export function withTables(text: string): string {
  return Object.entries(tables).reduce(
    (page, [name, metrics]) =>
      page.replace(
        new RegExp(`(<!-- ${name}: printed by cli/print-metrics.ts -->\n)[^]*?(\n<!-- end -->)`),
        (_, begin: string, end: string) => `${begin}\n${table(metrics)}\n${end}`,
      ),
    text,
  );
}

if (import.meta.main) writeFileSync(page, withTables(readFileSync(page, 'utf8')));
