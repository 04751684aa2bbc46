/** How a cluster is at the moment when a request of it has ended: which hosts get nothing and why, what is full, what is open. For the record of that request (recorder/), which is kept of few; nothing of it is noted beforehand. */
import { breakerLine } from '../circuit-breaker/breaker-status.ts';
import { spanOf } from '../circuit-breaker/circuit-breaker.ts';
import type { Bulkhead, Places } from './bulkhead.ts';
import {
  activeCheckTimedOut,
  degradedActiveCheck,
  degradedEdsHealth,
  edsDraining,
  excludedByImmediateFailure,
  failedActiveCheck,
  failedEdsHealth,
  failedOutlierCheck,
  pendingActiveCheck,
  pendingRemoval,
} from './host-health.ts';
import type { RunningCluster } from './running-cluster.ts';
import type { RunningHost } from './running-host.ts';
import type { ClusterSituation, PassedOverHost } from './upstream.ts';

/** More are only counted. */
const mostHosts = 16;

/** `places`: of the priority that the request had. */
export function clusterSituation(cluster: RunningCluster, places: Bulkhead, nowMs: number): ClusterSituation {
  const { config, hosts, breaker } = cluster;
  const { byAddress } = hosts;
  const circumstances: string[] = [];
  const passedOver: PassedOverHost[] = [];
  let unfit = 0;
  for (const host of byAddress.values()) {
    const why = whyPassedOver(host, nowMs);
    if (why === '') continue;
    unfit++;
    if (passedOver.length < mostHosts) passedOver.push({ host: host.address, why });
  }
  const { name } = config;
  if (byAddress.size === 0) circumstances.push(`${name} has no hosts`);
  else if (unfit > 0) circumstances.push(`${unfit} of ${byAddress.size} hosts of ${name} are passed over`);
  if (unfit > 0 && hosts.panic)
    circumstances.push(`${name} is in panic: too few of its hosts are healthy, so all of them are asked`);
  if (breaker !== null && breaker.machine.state !== 'closed')
    circumstances.push(`${breaker.title}: ${breakerLine(breaker.status())}`);
  addIfFull(circumstances, name, 'connections', places.connections);
  addIfFull(circumstances, name, 'waiting requests', places.pending);
  addIfFull(circumstances, name, 'requests', places.requests);
  addIfFull(circumstances, name, 'retries', places.retries);
  return { passedOver, circumstances };
}

/** In words; '': nothing is against it. */
function whyPassedOver({ health, outlier }: RunningHost, nowMs: number): string {
  if (health === 0) return '';
  if ((health & failedOutlierCheck) !== 0) {
    if (outlier === null || outlier.ejectedAtMs < 0) return 'ejected';
    const reason = outlier.reason === '' ? '' : ` (${outlier.reason})`;
    return `ejected for ${spanOf(nowMs - outlier.ejectedAtMs)}${reason}`;
  }
  if ((health & excludedByImmediateFailure) !== 0) return 'said that it fails its health check';
  if ((health & failedActiveCheck) !== 0)
    return (health & activeCheckTimedOut) !== 0 ? 'did not answer its health check' : 'failed its health check';
  if ((health & (edsDraining | pendingRemoval)) !== 0) return 'draining';
  if ((health & failedEdsHealth) !== 0) return 'unhealthy, as the control plane says';
  if ((health & pendingActiveCheck) !== 0) return 'not checked yet';
  return (health & (degradedActiveCheck | degradedEdsHealth)) !== 0 ? 'degraded' : '';
}

/** A limit of 0 lets nothing pass, and is said too. */
function addIfFull(circumstances: string[], cluster: string, what: string, places: Places): void {
  if (places.left) return;
  circumstances.push(`${cluster}: ${places.taken} of ${places.most} ${what} are taken`);
}
