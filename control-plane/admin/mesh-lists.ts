/** What the admin port tells of the mesh, as JSON under /api/v1: behind `outrigger get` and `outrigger check`. Read only; of identities identity-admin.ts tells. */

import type { KeySetStore } from '../jwks/key-set-store.ts';
import type { LoadRow } from '../load-stats/load-table.ts';
import type { Model } from '../model/model.ts';
import { listEndpoints, listRoutes, listServices } from '../model/model-lists.ts';
import type { Footprints } from '../observe/proxy-footprint.ts';
import type { Registry } from '../registry/registry.ts';
import type { ProxySnapshots } from '../snapshot/proxy-snapshots.ts';
import type { SourceFault } from '../source/configuration-files.ts';
import { faultText } from '../source/fault.ts';
import { listCollectors } from './collector-list.ts';
import { listProxies } from './proxy-list.ts';
import { refusedListener } from './refused-listener.ts';
import { listPoliciesInUse, listWorkloads, type WorkloadSources } from './workload-list.ts';

/** Of the process itself. */
export interface ControlPlaneInfo {
  /** Of the program. */
  readonly version: string;
  readonly startedAt: string;
  /** Its clock. */
  readonly now: string;
  /** `HOST:PORT`, as it listens. */
  readonly listen: string;
  /** '' : there is no TLS door. */
  readonly listenTls: string;
  readonly trustDomain: string;
  readonly configuration: readonly string[];
}

export interface MeshListsInit {
  readonly info: () => ControlPlaneInfo;
  readonly model: () => Model;
  readonly faults: () => readonly SourceFault[];
  readonly registry: Pick<Registry, 'instances'>;
  readonly snapshots: Pick<ProxySnapshots, 'proxies'>;
  readonly keySets: Pick<KeySetStore, 'problems'>;
  readonly loads: () => readonly LoadRow[];
  readonly footprints: () => Footprints;
}

/** By the last part of `/api/v1/<name>`. */
export function meshLists(init: MeshListsInit): Readonly<Record<string, () => unknown>> {
  const { info, model, faults, registry, snapshots, keySets, loads, footprints } = init;
  const sources = (): WorkloadSources => ({
    model: model(),
    instances: registry.instances,
    proxies: [...snapshots.proxies].map(({ proxy }) => proxy),
  });
  return {
    'control-plane': info,
    services: () => listServices(model()),
    endpoints: () => listEndpoints(model()),
    routes: () => listRoutes(model()),
    policies: () =>
      listPoliciesInUse(
        sources(),
        [...snapshots.proxies].filter((each) => refusedListener(each) !== '').map(({ proxy }) => proxy),
      ),
    proxies: () => listProxies(snapshots.proxies, model(), footprints()),
    loads,
    workloads: () => listWorkloads(sources()),
    'key-sets': () => keySets.problems,
    faults: () => faults().map((fault) => ({ ...fault, text: faultText(fault) })),
    warnings: () => model().warnings,
    collectors: () => listCollectors(model().policies.telemetry),
  };
}
