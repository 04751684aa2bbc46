/** The control plane's own metrics as Prometheus text. */
import type { MeshIdentity } from '../identity/mesh-identity.ts';
import type { ProxySnapshots } from '../snapshot/proxy-snapshots.ts';

/** Of the TLS door; null: there is none. */
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
}

export function metricsText(
  snapshots: ProxySnapshots,
  instances: number,
  faults: number,
  door: DoorFigures | null,
  limits: LimitFigures = { answered: { ok: 0, overLimit: 0, refused: 0 }, counters: 0, evictions: 0 },
): string {
  const byKind = new Map<string, number>();
  let refusing = 0;
  for (const { proxy, session } of snapshots.proxies) {
    byKind.set(proxy.kind, (byKind.get(proxy.kind) ?? 0) + 1);
    if ([...session.subscriptions.values()].some((subscription) => subscription.refused !== null)) refusing++;
  }
  const lines = [
    '# TYPE outrigger_xds_proxies gauge',
    ...[...byKind].map(([kind, count]) => `outrigger_xds_proxies{kind="${kind}"} ${count}`),
  ];
  const gauges: ReadonlyArray<readonly [string, number]> = [
    ['outrigger_xds_proxies_refusing', refusing],
    ['outrigger_xds_snapshots', snapshots.snapshotCount],
    ['outrigger_registered_instances', instances],
    ['outrigger_configuration_faults', faults],
    ['process_resident_memory_bytes', process.memoryUsage.rss()],
  ];
  for (const [name, value] of gauges) lines.push(`# TYPE ${name} gauge`, `${name} ${value}`);
  lines.push(
    '# HELP outrigger_xds_inconsistent_proxies Proxies that go on with an older configuration, or none, as what was made for them contradicts itself: a fault of the control plane.',
    '# TYPE outrigger_xds_inconsistent_proxies gauge',
    ...snapshots.inconsistencies.map(
      ({ reason, proxies }) => `outrigger_xds_inconsistent_proxies{reason="${labelValue(reason)}"} ${proxies}`,
    ),
  );
  lines.push(
    '# TYPE outrigger_xds_snapshots_given_total counter',
    `outrigger_xds_snapshots_given_total ${snapshots.pushes}`,
  );
  const { ok, overLimit, refused } = limits.answered;
  lines.push(
    '# TYPE outrigger_rate_limit_requests_total counter',
    `outrigger_rate_limit_requests_total{answer="ok"} ${ok}`,
    `outrigger_rate_limit_requests_total{answer="over_limit"} ${overLimit}`,
    `outrigger_rate_limit_requests_total{answer="refused"} ${refused}`,
    '# TYPE outrigger_rate_limit_counters gauge',
    `outrigger_rate_limit_counters ${limits.counters}`,
    '# TYPE outrigger_rate_limit_counter_evictions_total counter',
    `outrigger_rate_limit_counter_evictions_total ${limits.evictions}`,
  );
  if (door !== null) lines.push(...doorLines(door));
  return `${lines.join('\n')}\n`;
}

const phases = ['steady', 'distributing', 'draining'] as const;

function doorLines({ identity, connections, calls, nowMs }: DoorFigures): string[] {
  const { state, authorities } = identity.authority.status();
  const { holders, withBundle, moved } = identity.watchers.evidence(
    identity.authority.bundle().sequence ?? 0,
    identity.authority.signingId,
  );
  return [
    '# TYPE outrigger_authority_expiry_seconds gauge',
    ...authorities.map(
      ({ id, notAfterMs }) =>
        `outrigger_authority_expiry_seconds{authority="${id}",signs="${id === state.signing}"} ${Math.round((notAfterMs - nowMs) / 1000)}`,
    ),
    '# TYPE outrigger_authority_rotation_phase gauge',
    ...phases.map((phase) => `outrigger_authority_rotation_phase{phase="${phase}"} ${phase === state.phase ? 1 : 0}`),
    '# TYPE outrigger_certificate_holders gauge',
    `outrigger_certificate_holders{state="known"} ${holders}`,
    `outrigger_certificate_holders{state="with_bundle"} ${withBundle}`,
    `outrigger_certificate_holders{state="moved"} ${moved}`,
    '# TYPE outrigger_door_connections gauge',
    `outrigger_door_connections ${connections}`,
    '# TYPE outrigger_door_calls gauge',
    `outrigger_door_calls ${calls}`,
    ...identity.metrics.lines(),
  ];
}

/** The names in it are of the configuration; its length is bounded here. */
function labelValue(text: string): string {
  return text.slice(0, 300).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', ' ');
}
