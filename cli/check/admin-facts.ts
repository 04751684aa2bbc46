/** What the control plane's admin port knows, read once for all checks. */

import type { CollectorRow } from '../../control-plane/admin/collector-list.ts';
import type { AuthorityStatus } from '../../control-plane/admin/identity-admin.ts';
import type { ControlPlaneInfo } from '../../control-plane/admin/mesh-lists.ts';
import type { ProxyRow } from '../../control-plane/admin/proxy-list.ts';
import type { PolicyInUse, WorkloadRow } from '../../control-plane/admin/workload-list.ts';
import type { KeySetProblem } from '../../control-plane/jwks/key-set-store.ts';
import type { ModelWarning } from '../../control-plane/model/model.ts';
import type { SourceFault } from '../../control-plane/source/configuration-files.ts';
import { fetchJson } from '../commands/get.ts';
import type { HostPort } from '../host-port.ts';

export interface AdminFacts {
  readonly info: ControlPlaneInfo;
  /** This machine's clock when it came. */
  readonly infoMs: number;
  readonly faults: ReadonlyArray<Pick<SourceFault, 'file' | 'meanwhile'> & { readonly text: string }>;
  readonly warnings: readonly ModelWarning[];
  readonly proxies: readonly ProxyRow[];
  readonly workloads: readonly WorkloadRow[];
  readonly policies: readonly PolicyInUse[];
  readonly keySets: readonly KeySetProblem[];
  readonly collectors: readonly CollectorRow[];
  readonly endpoints: ReadonlyArray<{ readonly service: string; readonly port: number; readonly address: string }>;
  readonly services: ReadonlyArray<{
    readonly namespace: string;
    readonly name: string;
    readonly ports: readonly string[];
    readonly endpoints: number;
    readonly healthyEndpoints: number;
  }>;
  /** Null: there are no identities. */
  readonly authority: AuthorityStatus | null;
}

/** Rejects with a UserError that says why it can't be read. */
export async function fetchFacts(admin: HostPort, nowMs: () => number): Promise<AdminFacts> {
  const list = async <T>(name: string): Promise<T> => (await fetchJson(admin, `/api/v1/${name}`)) as T;
  const info = await list<ControlPlaneInfo>('control-plane');
  const infoMs = nowMs();
  const [faults, warnings, proxies, workloads, policies, keySets, collectors, endpoints, services, authority] =
    await Promise.all([
      list<AdminFacts['faults']>('faults'),
      list<AdminFacts['warnings']>('warnings'),
      list<AdminFacts['proxies']>('proxies'),
      list<AdminFacts['workloads']>('workloads'),
      list<AdminFacts['policies']>('policies'),
      list<AdminFacts['keySets']>('key-sets'),
      // A control plane of before has none.
      list<AdminFacts['collectors']>('collectors').catch(() => []),
      list<AdminFacts['endpoints']>('endpoints'),
      list<AdminFacts['services']>('services'),
      info.listenTls === '' ? null : list<AuthorityStatus>('authority'),
    ]);
  return {
    info,
    infoMs,
    faults,
    warnings,
    proxies,
    workloads,
    policies,
    keySets,
    collectors,
    endpoints,
    services,
    authority,
  };
}
