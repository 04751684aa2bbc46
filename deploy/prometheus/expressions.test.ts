/** Rules, alerts and dashboards name only what the programs show: metrics and labels as their catalogs have them, which tests hold against real scrapes. promtool has its say in test/interop/prometheus.test.ts. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { controlPlaneMetrics } from '../../control-plane/admin/metric-catalog.ts';
import type { MetricDescriptor } from '../../metrics/metric-family.ts';
import { processMetrics } from '../../metrics/process-figures.ts';
import { sidecarMetrics } from '../../sidecar/stats/metric-catalog.ts';
import { dashboardFiles } from '../grafana/print-dashboards.ts';
import { dashboardExpressions } from './dashboard-expressions.ts';

const here = import.meta.dirname;
const catalog = new Map<string, MetricDescriptor>(
  [...sidecarMetrics, ...controlPlaneMetrics, ...processMetrics].map((metric) => [metric.name, metric]),
);

interface RuleFile {
  readonly groups: ReadonlyArray<{
    readonly rules: ReadonlyArray<{ readonly record?: string; readonly alert?: string; readonly expr: string }>;
  }>;
}

const rules = ['rules.yaml', 'alerts.yaml'].flatMap((file) =>
  (parse(readFileSync(join(here, file), 'utf8')) as RuleFile).groups.flatMap((group) => group.rules),
);
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));

/** A metric with a selector, or without. */
const metricUse = /\b((?:outrigger|process|nodejs)[a-z0-9_:]*[a-z0-9_])(?:\{([^}]*)\})?/g;

function faults(expression: string): string[] {
  const found: string[] = [];
  const labels = new Set(['le', 'instance', 'job']);
  let uses = 0;
  for (const [, name = '', selector = ''] of expression.matchAll(metricUse)) {
    uses++;
    if (recorded.has(name)) continue;
    const metric = catalog.get(name) ?? catalog.get(name.replace(/_(?:bucket|sum|count)$/, ''));
    if (metric === undefined || (metric.type === 'histogram') !== /_(?:bucket|sum|count)$/.test(name)) {
      found.push(`there is no ${name}`);
      continue;
    }
    for (const label of metric.labels) labels.add(label);
    for (const [, label = ''] of selector.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g))
      if (!metric.labels.includes(label) && label !== 'instance') found.push(`${name} has no label ${label}`);
  }
  if (uses === 0) found.push('names no metric');
  for (const [, list = ''] of expression.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of list.split(',').map((each) => each.trim()))
      if (!labels.has(label)) found.push(`nothing in it has a label ${label}`);
  return found;
}

function groupsOf(expression: string): string[] {
  return [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((each) => each.trim()),
  );
}

function labelsOf(expression: string): string[] {
  return [
    'instance',
    ...[...expression.matchAll(metricUse)].flatMap(([, name = '']) => catalog.get(name)?.labels ?? []),
  ];
}

test.each(rules.map(({ record, alert, expr }) => [record ?? alert!, expr]))('%s', (_name, expr) => {
  expect(faults(expr)).toEqual([]);
});

test('every alert has a unit test for promtool, and is told in words with what to do next', () => {
  const tests = ['alerts-test.yaml', 'alerts-slow-test.yaml']
    .map((file) => readFileSync(join(here, file), 'utf8'))
    .join('');
  const alerts = rules.filter(({ alert }) => alert !== undefined) as Array<{ alert: string; annotations?: object }>;
  for (const { alert, annotations } of alerts) {
    expect(tests).toContain(`  - name: ${alert}\n`);
    expect(Object.keys(annotations ?? {})).toEqual(['summary', 'next']);
  }
});

describe('dashboards', () => {
  test('are what print-dashboards.ts says', () => {
    for (const [file, text] of dashboardFiles())
      expect(readFileSync(join(here, '../grafana', file), 'utf8')).toBe(text);
    expect(
      readdirSync(join(here, '../grafana'))
        .filter((file) => file.endsWith('.json'))
        .sort(),
    ).toEqual([...dashboardFiles().keys()].sort());
  });

  test.each(dashboardExpressions(dashboardFiles()))('%s: %s', (_panel, expression, legend) => {
    expect(faults(expression)).toEqual([]);
    const grouped = /\bby \(/.test(expression);
    for (const [, label = ''] of legend.matchAll(/\{\{(\w+)\}\}/g))
      expect(grouped ? groupsOf(expression) : labelsOf(expression)).toContain(label);
  });
});
