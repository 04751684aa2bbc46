import { expect, it } from 'vitest';
import { prometheusText } from './prometheus-text.ts';
import { StatStore } from './stat-store.ts';

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
