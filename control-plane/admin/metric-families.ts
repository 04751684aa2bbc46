/** The control plane's own metrics, as they are now. What each of them is says metric-catalog.ts. */
import type { HistogramSample, MetricDescriptor, MetricFamily, PlainSample } from '../../metrics/metric-family.ts';
import type { ScrapeFailure } from '../../metrics/scrape-bounds.ts';
import type { Resource } from '../config-kind/resource.ts';
import type { MeshIdentity } from '../identity/mesh-identity.ts';
import type { LiveFigures } from '../observe/live-figures.ts';
import type { SharingFigures } from '../ratelimit/shared/etcd-counters.ts';
import { convergenceBoundsMs } from '../snapshot/convergence.ts';
import type { ProxySnapshots } from '../snapshot/proxy-snapshots.ts';
import type { XdsCounts } from '../xds-server/xds-counts.ts';
import { controlPlaneMetrics } from './metric-catalog.ts';

/** Of the TLS door. */
export interface DoorFigures {
  readonly identity: MeshIdentity;
  readonly connections: number;
  readonly calls: number;
  readonly nowMs: number;
}

/** Of the rate limit service. */
export interface LimitFigures {
  readonly answered: { readonly ok: number; readonly overLimit: number; readonly refused: number };
  readonly counters: number;
  /** Counters that were given up for others before their window was over. */
  readonly evictions: number;
  /** Null: nobody else has part in them. */
  readonly sharing: SharingFigures | null;
}

/** Where configuration comes from. */
export interface SourceFigures {
  readonly name: 'files' | 'kubernetes';
  readonly resources: readonly Pick<Resource, 'kind'>[];
  readonly faults: number;
  /** 0: never. */
  readonly lastReadWallMs: number;
}

export interface ControlPlaneFigures {
  readonly snapshots: ProxySnapshots;
  readonly counts: XdsCounts;
  readonly sources: readonly SourceFigures[];
  readonly instances: number;
  readonly faults: number;
  /** Null: there is none. */
  readonly door: DoorFigures | null;
  readonly limits: LimitFigures;
  /** Of what sidecars report of their edges. */
  readonly leftOut: LiveFigures['leftOut'];
  /** Reviews of the injection webhook, by what came of them; null: there is none. */
  readonly webhook: Readonly<Record<string, number>> | null;
  /** Streams, calls and connections at both doors, by reason. */
  readonly refused: readonly PlainSample[];
  readonly scrapesFailed: Readonly<Record<ScrapeFailure, number>>;
}

type MetricName = (typeof controlPlaneMetrics)[number]['name'];
type Values = number | readonly PlainSample[] | HistogramSample;

const one = (value: number): PlainSample[] => [{ labels: {}, value }];

function by(label: string, values: Iterable<readonly [string, number]>): PlainSample[] {
  return [...values].map(([name, value]) => ({ labels: { [label]: name }, value }));
}

/** Those that there are, in the order of the catalog. */
export function controlPlaneFamilies(figures: ControlPlaneFigures): MetricFamily[] {
  const values: Partial<Record<MetricName, Values>> = {
    ...xdsValues(figures),
    ...sourceValues(figures),
    ...limitValues(figures.limits),
    outrigger_figures_left_out_total: by('what', [
      ['report', figures.leftOut.reports],
      ['edge', figures.leftOut.edges],
      ['history', figures.leftOut.history],
    ]),
    ...(figures.webhook === null
      ? {}
      : { outrigger_webhook_reviews_total: by('answer', Object.entries(figures.webhook)) }),
    outrigger_door_refused_total: figures.refused,
    outrigger_scrapes_failed_total: by('reason', Object.entries(figures.scrapesFailed)),
    ...(figures.door === null ? {} : doorValues(figures.door)),
  };
  return controlPlaneMetrics.flatMap((descriptor) => {
    const found = values[descriptor.name];
    return found === undefined ? [] : [family(descriptor, found)];
  });
}

function family({ name, type, unit, help }: MetricDescriptor, values: Values): MetricFamily {
  if (type === 'histogram')
    return {
      name,
      unit,
      help,
      type,
      bounds: convergenceBoundsMs,
      scale: 1 / 1000,
      samples: [values as HistogramSample],
    };
  return { name, unit, help, type, samples: typeof values === 'number' ? one(values) : (values as PlainSample[]) };
}

function xdsValues({ snapshots, counts }: ControlPlaneFigures): Partial<Record<MetricName, Values>> {
  const byKind = new Map<string, number>();
  let refusing = 0;
  for (const { proxy, session } of snapshots.proxies) {
    byKind.set(proxy.kind, (byKind.get(proxy.kind) ?? 0) + 1);
    if ([...session.subscriptions.values()].some((subscription) => subscription.refused !== null)) refusing++;
  }
  const inconsistent = new Map<string, number>();
  for (const { reason, proxies } of snapshots.inconsistencies) {
    // The names in it are of the configuration; its length is bounded here.
    const text = reason.slice(0, 300);
    inconsistent.set(text, (inconsistent.get(text) ?? 0) + proxies);
  }
  return {
    outrigger_xds_proxies: by('kind', byKind),
    outrigger_xds_proxies_refusing: refusing,
    outrigger_xds_proxies_waiting: snapshots.convergence.waiting,
    outrigger_xds_inconsistent_proxies: by('reason', inconsistent),
    outrigger_xds_snapshots: snapshots.snapshotCount,
    outrigger_xds_snapshots_given_total: snapshots.pushes,
    outrigger_xds_pushes_total: counts.samples('response'),
    outrigger_xds_acks_total: counts.samples('ack'),
    outrigger_xds_nacks_total: counts.samples('nack'),
    outrigger_xds_convergence_seconds: snapshots.convergence,
  };
}

function sourceValues({ sources, instances, faults }: ControlPlaneFigures): Partial<Record<MetricName, Values>> {
  const objects = sources.flatMap(({ name, resources }) => {
    const byKind = new Map<string, number>();
    for (const { kind } of resources) byKind.set(kind, (byKind.get(kind) ?? 0) + 1);
    return [...byKind].map(([kind, value]) => ({ labels: { source: name, kind }, value }));
  });
  return {
    outrigger_registered_instances: instances,
    outrigger_configuration_faults: faults,
    outrigger_source_objects: objects,
    outrigger_source_faults: by(
      'source',
      sources.map((source) => [source.name, source.faults] as const),
    ),
    outrigger_source_last_read_timestamp_seconds: by(
      'source',
      sources.map(({ name, lastReadWallMs }) => [name, lastReadWallMs / 1000] as const),
    ),
  };
}

function limitValues({ answered, counters, evictions, sharing }: LimitFigures): Partial<Record<MetricName, Values>> {
  const { ok, overLimit, refused } = answered;
  return {
    outrigger_rate_limit_requests_total: by('answer', [
      ['ok', ok],
      ['over_limit', overLimit],
      ['refused', refused],
    ]),
    outrigger_rate_limit_counters: counters,
    outrigger_rate_limit_evictions_total: evictions,
    ...(sharing === null
      ? {}
      : {
          outrigger_store_connected: by('store', [['etcd', sharing.shared ? 1 : 0]]),
          outrigger_store_outages_total: by('store', [['etcd', sharing.outages]]),
          outrigger_store_peers: by('store', [['etcd', sharing.peers]]),
          outrigger_rate_limit_batches_total: sharing.batches,
          outrigger_rate_limit_other_counters: sharing.otherCounters,
          outrigger_rate_limit_left_out_total: sharing.leftOut,
        }),
  };
}

const phases = ['steady', 'distributing', 'draining'] as const;

function doorValues({ identity, connections, calls, nowMs }: DoorFigures): Partial<Record<MetricName, Values>> {
  const { state, authorities } = identity.authority.status();
  const { holders, withBundle, moved } = identity.watchers.evidence(
    identity.authority.bundle().sequence ?? 0,
    identity.authority.signingId,
  );
  return {
    outrigger_authority_expiry_seconds: authorities.map(({ id, notAfterMs }) => ({
      labels: { authority: id, signs: String(id === state.signing) },
      value: Math.round((notAfterMs - nowMs) / 1000),
    })),
    outrigger_authority_rotation_phase: by(
      'phase',
      phases.map((phase) => [phase, phase === state.phase ? 1 : 0] as const),
    ),
    outrigger_certificate_holders: by('state', [
      ['known', holders],
      ['with_bundle', withBundle],
      ['moved', moved],
    ]),
    outrigger_door_connections: connections,
    outrigger_door_calls: calls,
    outrigger_identity_certificates_total: identity.metrics.certificates,
  };
}
