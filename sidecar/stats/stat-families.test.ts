import { expect, it } from 'vitest';
import { statFamilies } from './stat-families.ts';
import { StatStore } from './stat-store.ts';
import { prometheusText } from './test/prometheus-text.ts';

it('gives statistics of RBAC filters as Envoy does, with and without a name of their own', () => {
  const stats = new StatStore();
  for (const name of ['rbac.denied', 'rbac.dry_run_.shadow_denied', 'downstream_rq_total'])
    stats.counter(`http.in.bound.${name}`).value++;
  expect(
    prometheusText(stats)
      .split('\n')
      .filter((line) => !line.startsWith('#')),
  ).toEqual([
    'envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="in.bound"} 1',
    'envoy_http_rbac_denied{envoy_http_conn_manager_prefix="in.bound"} 1',
    'envoy_http_rbac_shadow_denied{envoy_http_conn_manager_prefix="in.bound",envoy_rbac_http_prefix="dry_run_"} 1',
    '',
  ]);
});

it('lets others have their turn while it looks through many', () => {
  const stats = new StatStore();
  for (let i = 0; i < 5_000; i++) stats.counter(`cluster.c${i}.upstream_rq_200`).value++;
  const looking = statFamilies(stats, { filter: null, usedOnly: false });
  let turns = 1;
  let step = looking.next();
  for (; step.done !== true; step = looking.next()) turns++;
  expect(turns).toBeGreaterThan(15);
  expect(step.value).toMatchObject([{ name: 'envoy_cluster_upstream_rq' }]);
  expect([...step.value[0]!.samples]).toHaveLength(5_000);
});
