/**
 * Services, EndpointSlices and Pods → Services of the mesh and their instances. Only what a change concerns is made again; the rest stays the same object.
 *
 * A Service's instances are what its EndpointSlices say, whatever its selector; whom they may be is what its Pods run as. A Pod with a sidecar is an instance with an identity, as the API server vouches for both.
 */
import { serviceAccountId } from '../../../certs/spiffe/spiffe-id.ts';
import type { ServiceResource } from '../../config-kind/resource.ts';
import { equalData, keepIdentity } from '../../model/keep-identity.ts';
import type { RegisteredInstance } from '../../model/registered-instance.ts';
import { selects } from '../../model/selects.ts';
import type { KeptEndpointSlice, SliceEndpoint } from './kept-endpoint-slice.ts';
import { type KeptPod, meetsSidecar } from './kept-pod.ts';
import type { KeptService } from './kept-service.ts';
import { PodIndex } from './pod-index.ts';

export interface MeshServicesInput {
  readonly services: () => ReadonlyMap<string, KeptService>;
  readonly slices: () => ReadonlyMap<string, KeptEndpointSlice>;
  readonly pods: () => ReadonlyMap<string, KeptPod>;
  /** '' : there are no identities. */
  readonly trustDomain: string;
}

interface MeshService {
  readonly resource: ServiceResource;
  readonly instances: readonly RegisteredInstance[];
}

export class MeshServices {
  readonly #input: MeshServicesInput;
  readonly #made = new Map<string, MeshService>();
  readonly #dirty = new Set<string>();
  /** As they were, to know whom a change or an end concerns. */
  readonly #sliceService = new Map<string, string>();
  readonly #slicesOf = new Map<string, Map<string, KeptEndpointSlice>>();
  /** By namespace. */
  readonly #podsOf = new Map<string, PodIndex>();
  readonly #servicesOf = new Map<string, Set<string>>();
  resources: readonly ServiceResource[] = [];
  instances: readonly RegisteredInstance[] = [];

  constructor(input: MeshServicesInput) {
    this.#input = input;
  }

  onServices(keys: ReadonlySet<string>): void {
    for (const key of keys) {
      this.#dirty.add(key);
      const namespace = namespaceOf(key);
      const there = this.#servicesOf.get(namespace) ?? new Set();
      if (this.#input.services().has(key)) there.add(key);
      else there.delete(key);
      this.#servicesOf.set(namespace, there);
    }
  }

  onSlices(keys: ReadonlySet<string>): void {
    for (const key of keys) {
      const slice = this.#input.slices().get(key);
      const before = this.#sliceService.get(key);
      if (before !== undefined) {
        this.#dirty.add(before);
        const slices = this.#slicesOf.get(before);
        slices?.delete(key);
        if (slices?.size === 0) this.#slicesOf.delete(before);
      }
      if (slice === undefined) {
        this.#sliceService.delete(key);
        continue;
      }
      this.#sliceService.set(key, slice.service);
      this.#dirty.add(slice.service);
      const slices = this.#slicesOf.get(slice.service) ?? new Map<string, KeptEndpointSlice>();
      slices.set(key, slice);
      this.#slicesOf.set(slice.service, slices);
    }
  }

  onPods(keys: ReadonlySet<string>): void {
    for (const key of keys) {
      const pod = this.#input.pods().get(key);
      const namespace = namespaceOf(key);
      const pods = this.#podsOf.get(namespace) ?? new PodIndex();
      this.#podsOf.set(namespace, pods);
      const before = pods.get(key);
      // The status of Pods changes all the time.
      if (pod !== undefined && before !== undefined && sameForUs(before, pod)) continue;
      if (pod === undefined) pods.remove(key);
      else pods.put(pod);
      for (const service of this.#servicesOf.get(namespace) ?? []) {
        if (!this.#dirty.has(service) && concerns(this.#input.services().get(service), pod, before))
          this.#dirty.add(service);
      }
    }
  }

  /** True when resources or instances are others than before; each of the two lists is the same when nothing in it has changed. */
  make(): boolean {
    let resources = false;
    let instances = false;
    for (const key of this.#dirty) {
      const before = this.#made.get(key);
      const now = this.#service(key, before);
      if (now === undefined) this.#made.delete(key);
      else this.#made.set(key, now);
      resources ||= before?.resource !== now?.resource;
      instances ||= before?.instances !== now?.instances;
    }
    this.#dirty.clear();
    const all = [...this.#made.values()];
    if (resources) this.resources = all.map(({ resource }) => resource);
    if (instances) this.instances = all.flatMap((each) => each.instances);
    return resources || instances;
  }

  /** Whom a workload that no Service is named after may be: what the Pods of that name run as. Empty: there is none. */
  accountsOfWorkload(namespace: string, name: string): readonly string[] {
    const accounts = new Set<string>();
    for (const { workload, account } of this.#podsOf.get(namespace)?.all() ?? [])
      if (workload === name) accounts.add(account);
    return [...accounts].toSorted();
  }

  #service(key: string, before: MeshService | undefined): MeshService | undefined {
    const kept = this.#input.services().get(key);
    const resource = kept?.resource ?? null;
    if (kept === undefined || resource === null) return undefined;
    const slices = this.#familyOf(key);
    const pods = this.#podsOf.get(resource.namespace) ?? noPods;
    const ports = resource.ports.map((port) =>
      port.targetPort === null ? { ...port, targetPort: targetPort(port.name, slices) } : port,
    );
    const now: ServiceResource = {
      ...resource,
      // Its EndpointSlices say who is behind it.
      selector: null,
      ports,
      serviceAccounts: kept.accounts ?? this.#accounts(resource, slices, pods, before),
    };
    return {
      resource: keepIdentity(before?.resource, now),
      instances: keepIdentity(before?.instances, this.#instances(resource, slices, pods)),
    };
  }

  /** Pods of both families stand in slices of both: one family counts, so that each is there once. */
  #familyOf(key: string): readonly KeptEndpointSlice[] {
    const slices = [...(this.#slicesOf.get(key)?.values() ?? [])].toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const four = slices.filter(({ family, endpoints }) => family === 'IPv4' && endpoints.length > 0);
    return four.length > 0 ? four : slices.filter(({ family }) => family === 'IPv6');
  }

  #instances(
    { namespace, name, ports }: ServiceResource,
    slices: readonly KeptEndpointSlice[],
    pods: PodIndex,
  ): RegisteredInstance[] {
    const instances: RegisteredInstance[] = [];
    // As Kubernetes' own proxy: while all that are there end, those that still serve get requests.
    const anyReady = slices.some(({ endpoints }) => endpoints.some(({ condition }) => condition === 'ready'));
    for (const slice of slices) {
      for (const endpoint of slice.endpoints) {
        if (endpoint.condition === 'unready') continue;
        const pod = podOf(endpoint, namespace, pods);
        for (const { name: portName, port } of slice.ports) {
          if (!ports.some((each) => each.name === portName)) continue;
          const named = pod?.namedSidecar ?? null;
          const passesSidecar = pod !== undefined && meetsSidecar(pod, port);
          instances.push({
            namespace,
            service: name,
            instanceId: endpoint.pod === '' ? endpoint.address : endpoint.pod,
            address: endpoint.address,
            // Rules bring who comes to the application's port to the sidecar; without them callers have to name it.
            port: named !== null && passesSidecar ? named.listenPort : port,
            portName,
            labels: pod?.labels ?? {},
            zone: endpoint.zone,
            weight: 1,
            healthy: true,
            identity: passesSidecar ? this.#identity(pod) : '',
            source: 'kubernetes',
            draining: endpoint.condition === 'draining' && anyReady,
          });
        }
      }
    }
    // One that moves from slice to slice may stand in both: what is ready goes before.
    return instances.toSorted((a, b) => Number(a.draining) - Number(b.draining));
  }

  #identity(pod: KeptPod | undefined): string {
    const { trustDomain } = this.#input;
    if (pod === undefined || trustDomain === '') return '';
    return serviceAccountId(trustDomain, pod.namespace, pod.account).text;
  }

  /** Of Pods that are chosen, also before they are ready. With none left, those of before: who scales to nothing and back is the same. */
  #accounts(
    { namespace, name, selector }: ServiceResource,
    slices: readonly KeptEndpointSlice[],
    pods: PodIndex,
    before: MeshService | undefined,
  ): readonly string[] {
    const accounts = new Set<string>();
    if (selector !== null) for (const { account } of pods.selected(selector)) accounts.add(account);
    for (const { endpoints } of slices) {
      for (const endpoint of endpoints) {
        const pod = podOf(endpoint, namespace, pods);
        if (pod !== undefined) accounts.add(pod.account);
      }
    }
    return accounts.size > 0 ? [...accounts].toSorted() : (before?.resource.serviceAccounts ?? [name]);
  }
}

const noPods = new PodIndex();

function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}

/** A Pod of a StatefulSet has the name of the one before it, and another uid. */
function podOf({ pod, podUid }: SliceEndpoint, namespace: string, pods: PodIndex): KeptPod | undefined {
  const found = pod === '' ? undefined : pods.get(`${namespace}/${pod}`);
  return found === undefined || (podUid !== '' && found.uid !== '' && podUid !== found.uid) ? undefined : found;
}

/** Where the port of that name leads; Pods may differ in it, and the first counts for policies. Null: not known. */
function targetPort(name: string, slices: readonly KeptEndpointSlice[]): number | null {
  for (const { ports } of slices) {
    const found = ports.find((each) => each.name === name);
    if (found !== undefined) return found.port;
  }
  return null;
}

function sameForUs(a: KeptPod, b: KeptPod): boolean {
  return equalData({ ...a, version: '' }, { ...b, version: '' });
}

/** A Service without a selector may have Pods in slices that somebody writes. */
function concerns(service: KeptService | undefined, pod: KeptPod | undefined, before: KeptPod | undefined): boolean {
  const selector = service?.resource?.selector ?? null;
  if (selector === null) return service !== undefined;
  return [pod, before].some((each) => each !== undefined && selects(selector, each.labels));
}
