/** The control plane's own metrics as Prometheus text. */
import type { ProxySnapshots } from '../snapshot/proxy-snapshots.ts';

export function metricsText(snapshots: ProxySnapshots, instances: number, faults: number): string {
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
  return `${lines.join('\n')}\n`;
}

/** The names in it are of the configuration; its length is bounded here. */
function labelValue(text: string): string {
  return text.slice(0, 300).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', ' ');
}
