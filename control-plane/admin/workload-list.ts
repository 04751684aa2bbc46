/**
 * Running instances as policies see them: what PeerAuthentication asks of each, whether callers speak mTLS to it, and the sidecar that is beside it as far as one is known here. And how many workloads a policy
 * holds for.
 */
import type { PeerMode } from '../config-kind/policy-resource.ts';
import type { Endpoint, Model, PortDefinition } from '../model/model.ts';
import { type Workload as AnyWorkload, holdsFor } from '../model/peer-mode.ts';
import { listPolicies, type PolicyRow } from '../model/policy-list.ts';
import {
  type NamedPort,
  type PlacedWorkload,
  portsOfPeers,
  portsOfRules,
  unmatchedPort,
} from '../model/policy-ports.ts';
import type { PolicyScope } from '../model/policy-set.ts';
import type { RegisteredInstance } from '../model/registered-instance.ts';
import type { ProxyNode } from '../translate/proxy-node.ts';
import { wantedMode } from '../translate/proxy-policies.ts';

/** What policies choose by. */
type Workload = AnyWorkload & { readonly appPort: number | null };

export interface WorkloadRow {
  /** `namespace/name` */
  readonly service: string;
  /** '' : an address in a file. */
  readonly instanceId: string;
  readonly address: string;
  readonly source: 'file' | 'registry' | 'kubernetes';
  /** SPIFFE ID that it registered with, so that callers speak mTLS to it; '' : they speak plaintext. */
  readonly identity: string;
  /** What policies ask for. */
  readonly mode: PeerMode;
  readonly reason: string;
  /** Nobody has said so: it is the default. */
  readonly byDefault: boolean;
  /** Null: none is connected that is known to be beside it. */
  readonly sidecar: { readonly nodeId: string; readonly identity: string } | null;
}

export interface WorkloadSources {
  readonly model: Pick<Model, 'services' | 'policies'>;
  readonly instances: readonly RegisteredInstance[];
  readonly proxies: readonly ProxyNode[];
}

export function listWorkloads({ model, instances, proxies }: WorkloadSources): WorkloadRow[] {
  const byCluster = Map.groupBy(proxies, ({ namespace, service }) => `${namespace}/${service}`);
  const rows = instances.map((instance): WorkloadRow => {
    const { namespace, service, instanceId, identity } = instance;
    const name = `${namespace}/${service}`;
    const sidecar = byCluster.get(name)?.find(({ id }) => isBeside(id, instance)) ?? null;
    const appPort = sidecar?.appPort ?? targetPort(model, instance);
    return {
      ...{
        service: name,
        instanceId,
        address: addressText({
          address: instance.address,
          // Callers come to several ports of it.
          port: instance.port === 0 ? (appPort ?? 0) : instance.port,
        }),
        source: instance.source ?? ('registry' as const),
        identity,
      },
      ...mode(model, { namespace, service, labels: instance.labels, appPort }),
      sidecar: sidecarOf(sidecar),
    };
  });
  for (const { definition, endpoint } of fileEndpoints(model)) {
    const { namespace, service } = definition;
    const name = `${namespace}/${service}`;
    const sidecar = byCluster.get(name)?.find((proxy) => listensThere(proxy, endpoint)) ?? null;
    rows.push({
      ...{ service: name, instanceId: '', address: addressText(endpoint), source: 'file', identity: '' },
      ...mode(model, fileWorkload(definition, endpoint, sidecar)),
      sidecar: sidecarOf(sidecar),
    });
  }
  return rows;
}

/** A policy as `get policies` has it. */
export interface PolicyInUse extends PolicyRow {
  /** How many of the workloads that are there now it holds for; of a TrafficPolicy, for how many targets. */
  readonly workloads: number;
  /** Proxies that it holds for and that refused their last update: what it says now is not in force there, unless it said the same before. */
  readonly refusedBy: readonly string[];
  /** Ports that it names and no workload has that it holds for, with the one that was probably meant. */
  readonly warnings: readonly string[];
}

/** `refusing`: those of the proxies that refused what policies say now. */
export function listPoliciesInUse(sources: WorkloadSources, refusing: readonly ProxyNode[] = []): PolicyInUse[] {
  const { model, instances, proxies } = sources;
  const workloads = new Map<string, Workload>();
  const add = (key: string, { namespace, service, labels, appPort }: Workload): void =>
    void workloads.set(key, { namespace, service, labels, appPort });
  for (const instance of instances) {
    const { namespace, service } = instance;
    const sidecar = proxies.find((proxy) => proxy.service === service && isBeside(proxy.id, instance));
    add(`${namespace}/${service}/${instance.instanceId}`, {
      ...instance,
      appPort: sidecar?.appPort ?? targetPort(model, instance),
    });
  }
  for (const { definition, endpoint } of fileEndpoints(model))
    add(
      `${definition.namespace}/${definition.service} ${addressText(endpoint)}`,
      fileWorkload(definition, endpoint, null),
    );
  // One that has registered too counts once.
  for (const proxy of proxies) {
    const { namespace, service, id } = proxy;
    if (!instances.some((instance) => instance.service === service && isBeside(id, instance)))
      add(`${namespace}/${service}/${id}`, proxy);
  }
  const all = [...workloads.values()];
  const count = (scope: PolicyScope): number => all.filter((workload) => holdsFor(scope, workload)).length;
  const { peers, authorizations, requests, faults, rateLimits, telemetry, traffic } = model.policies;
  const refusedBy = (scope: PolicyScope): string[] =>
    refusing.filter((proxy) => holdsFor(scope, proxy)).map(({ id }) => id);
  const unmatched = ({ scope }: { readonly scope: PolicyScope }, named: readonly NamedPort[]): string[] => {
    if (named.length === 0) return [];
    const placed = all.filter((workload) => holdsFor(scope, workload)).flatMap((workload) => place(model, workload));
    const faults = named.map(({ port, path }) => ({ path, fault: unmatchedPort(port, placed) }));
    return faults.filter(({ fault }) => fault !== '').map(({ path, fault }) => `${path}: ${fault}`);
  };
  const use = (
    policy: { readonly scope: PolicyScope },
    named: readonly NamedPort[] = [],
  ): Pick<PolicyInUse, 'workloads' | 'refusedBy' | 'warnings'> => ({
    workloads: count(policy.scope),
    refusedBy: refusedBy(policy.scope),
    warnings: unmatched(policy, named),
  });
  const uses = [
    ...peers.map((policy) => use(policy, portsOfPeers(policy.ports))),
    ...authorizations.map((policy) => use(policy, portsOfRules(policy.rules))),
    ...[...requests, ...faults, ...rateLimits, ...telemetry].map((policy) => use(policy)),
    // What it says is in clusters and routes of every caller: who refused those is told by the proxies.
    ...traffic.map(({ targets }) => ({
      workloads: targets.filter(({ inForce }) => inForce).length,
      refusedBy: [],
      warnings: [],
    })),
  ];
  return listPolicies(model).map((row, index) => ({ ...row, ...uses[index]! }));
}

function mode(
  { policies }: Pick<Model, 'policies'>,
  workload: Workload,
): Pick<WorkloadRow, 'mode' | 'reason' | 'byDefault'> {
  const { mode, modeReason } = wantedMode(policies, workload);
  return { mode, reason: modeReason, byDefault: !modeReason.startsWith('PeerAuthentication ') };
}

/** A sidecar names its node after its instance (cli/sidecar-program.ts), unless both were given one name; an injected one after its Pod. */
function isBeside(nodeId: string, { namespace, service, instanceId }: RegisteredInstance): boolean {
  const names = [instanceId, `${service}.${namespace}-${instanceId}`, `${instanceId}.${namespace}`];
  return names.includes(nodeId);
}

function listensThere({ inboundListen: { host, port } }: ProxyNode, endpoint: Endpoint): boolean {
  return port === endpoint.port && (host === endpoint.address || host === '0.0.0.0' || host === '::');
}

function sidecarOf(proxy: ProxyNode | null): WorkloadRow['sidecar'] {
  return proxy === null ? null : { nodeId: proxy.id, identity: proxy.identity?.text ?? '' };
}

/** Empty: where its application listens is not known. */
function place({ services }: Pick<Model, 'services'>, { namespace, service, appPort }: Workload): PlacedWorkload[] {
  if (appPort === null) return [];
  const ports = services.get(`${namespace}/${service}`)?.ports ?? [];
  return [{ appPort, servicePorts: ports.map(({ definition }) => definition) }];
}

/** Where the application listens, by its Service. */
function targetPort({ services }: Pick<Model, 'services'>, instance: RegisteredInstance): number | null {
  const ports = services.get(`${instance.namespace}/${instance.service}`)?.ports ?? [];
  const port = ports.find(({ definition }) => definition.name === instance.portName) ?? ports[0];
  return port === undefined ? null : (port.definition.targetPort ?? port.definition.port);
}

function fileWorkload(definition: PortDefinition, endpoint: Endpoint, sidecar: ProxyNode | null): Workload {
  const { namespace, service, targetPort, port } = definition;
  return { namespace, service, labels: endpoint.labels, appPort: sidecar?.appPort ?? targetPort ?? port };
}

/** Each address of a service once. */
function fileEndpoints({ services }: Pick<Model, 'services'>): Array<{
  readonly definition: PortDefinition;
  readonly endpoint: Endpoint;
}> {
  const found = new Map<string, { readonly definition: PortDefinition; readonly endpoint: Endpoint }>();
  for (const [name, { ports }] of services)
    for (const { definition, endpoints } of ports)
      for (const endpoint of endpoints.endpoints)
        if (endpoint.instanceId === '') found.set(`${name} ${addressText(endpoint)}`, { definition, endpoint });
  return [...found.values()];
}

function addressText({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
