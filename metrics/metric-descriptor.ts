/** What a metric is, for the catalogs of sidecar and control plane. */
import type { MetricDescriptor, MetricType } from './metric-family.ts';

/** The unit is what the name says. `labels`: their names, with spaces between; ''. */
export function metric(type: MetricType, name: string, labels: string, help: string): MetricDescriptor {
  const base = name.replace(/_total$/, '');
  const unit = base.endsWith('_seconds') ? 'seconds' : base.endsWith('_bytes') ? 'bytes' : '';
  return { name, type, unit, labels: labels === '' ? [] : labels.split(' '), help };
}
