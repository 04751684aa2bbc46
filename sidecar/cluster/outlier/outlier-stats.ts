/** Statistics of outlier detection: Envoy's `cluster.<name>.outlier_detection.…`, and ours for Prometheus. */
import type { EjectionKind } from '../../config/outlier-config.ts';
import type { Counter, Gauge, StatStore } from '../../stats/stat-store.ts';

const kinds: readonly EjectionKind[] = [
  'consecutive_5xx',
  'consecutive_gateway_failure',
  'consecutive_local_origin_failure',
  'success_rate',
  'local_origin_success_rate',
  'failure_percentage',
  'local_origin_failure_percentage',
];

export class OutlierStats {
  readonly active: Gauge;
  readonly overflow: Counter;
  readonly enforced: Counter;
  /** Older names that Envoy still counts. */
  readonly total: Counter;
  readonly consecutive5xx: Counter;
  readonly successRate: Counter;
  readonly detectedBy: Readonly<Record<EjectionKind, Counter>>;
  readonly enforcedBy: Readonly<Record<EjectionKind, Counter>>;
  /** `outrigger_outlier_ejections_total{cluster,kind}`, `…_active`, `…_refused_total`, `…_returns_total`. */
  readonly ownBy: Readonly<Record<EjectionKind, Counter>>;
  readonly ownActive: Gauge;
  readonly ownRefused: Counter;
  readonly ownReturns: Counter;

  constructor(store: StatStore, statName: string) {
    const prefix = `cluster.${statName}.outlier_detection.`;
    const own = `cluster.${statName}.outrigger.outlier_ejections_`;
    const labels = { cluster: statName };
    const by = (name: (kind: EjectionKind) => Counter): Record<EjectionKind, Counter> =>
      Object.fromEntries(kinds.map((kind) => [kind, name(kind)])) as Record<EjectionKind, Counter>;
    this.active = store.gauge(`${prefix}ejections_active`);
    this.overflow = store.counter(`${prefix}ejections_overflow`);
    this.enforced = store.counter(`${prefix}ejections_enforced_total`);
    this.total = store.counter(`${prefix}ejections_total`);
    this.consecutive5xx = store.counter(`${prefix}ejections_consecutive_5xx`);
    this.successRate = store.counter(`${prefix}ejections_success_rate`);
    this.detectedBy = by((kind) => store.counter(`${prefix}ejections_detected_${kind}`));
    this.enforcedBy = by((kind) => store.counter(`${prefix}ejections_enforced_${kind}`));
    this.ownBy = by((kind) =>
      store.counter(`${own}total.${kind}`, 'outrigger_outlier_ejections_total', { ...labels, kind }),
    );
    this.ownActive = store.gauge(`${own}active`, 'outrigger_outlier_ejections_active', labels);
    this.ownRefused = store.counter(`${own}refused`, 'outrigger_outlier_ejections_refused_total', labels);
    this.ownReturns = store.counter(`${own}returns`, 'outrigger_outlier_ejections_returns_total', labels);
  }
}
