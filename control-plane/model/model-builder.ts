/** Builds the model from the sources, again and again, and lets unchanged parts keep their identity from one model to the next. */
import { type Place, type Resource, resourceName } from '../config-kind/resource.ts';
import { buildPolicies, type KeySets, noPolicies } from './build-policies.ts';
import { checkReferences } from './check-references.ts';
import { equalLists, keepIdentity } from './keep-identity.ts';
import { mergeEndpoints } from './merge-endpoints.ts';
import type { Model, ModelWarning, PortModel, PortRouting, ServiceModel } from './model.ts';
import type { PolicyEndings } from './policy-ends.ts';
import type { PeerPolicy, PolicySet } from './policy-set.ts';
import type { ReferenceWarning } from './reference-warning.ts';
import type { RegisteredInstance } from './registered-instance.ts';
import { selects } from './selects.ts';
import { type AddressPlan, planAddresses } from './service-addresses.ts';
import { buildSkeleton, type ServiceSkeleton } from './service-skeleton.ts';

export interface ModelInput {
  readonly resources: readonly Resource[];
  readonly instances: readonly RegisteredInstance[];
  /** Keys of RequestAuthentications that name a file or a URI. */
  readonly keySets?: KeySets;
  /** Of policies for a limited time; without them none is over. */
  readonly endings?: PolicyEndings;
}

const noKeySets: KeySets = new Map();
const noEndings: PolicyEndings = new Map();
const noAddresses: AddressPlan = { byService: new Map(), problems: [] };
const emptyModel: Model = {
  services: new Map(),
  routings: [],
  addresses: noAddresses.byService,
  policies: noPolicies,
  warnings: [],
};

export class ModelBuilder {
  #resources: readonly Resource[] | null = null;
  #instances: readonly RegisteredInstance[] | null = null;
  #keySets: KeySets | null = null;
  #endings: PolicyEndings | null = null;
  #policies: PolicySet = noPolicies;
  #skeleton: ReadonlyMap<string, ServiceSkeleton> = new Map();
  #addresses: AddressPlan = noAddresses;
  #referenceWarnings: readonly ReferenceWarning[] = [];
  /** Which instances each service had last time, to skip services that none of a change concerns. */
  #candidates = new Map<string, readonly RegisteredInstance[]>();
  /** Of each service, how many instances without identity callers with one are not sent to. */
  #leftOut = new Map<string, number>();
  #model: Model = emptyModel;

  /** The same model as before when nothing changed. No input may be changed in place. */
  build({ resources, instances, keySets = noKeySets, endings = noEndings }: ModelInput): Model {
    const samePolicies = resources === this.#resources && keySets === this.#keySets && endings === this.#endings;
    if (samePolicies && instances === this.#instances) return this.#model;
    const { peers } = this.#policies;
    if (!samePolicies) this.#policies = buildPolicies(resources, keySets, this.#policies, endings);
    this.#keySets = keySets;
    this.#endings = endings;
    const oldSkeleton = this.#skeleton;
    if (resources !== this.#resources) {
      this.#skeleton = buildSkeleton(resources, oldSkeleton);
      this.#referenceWarnings = checkReferences(resources);
      this.#addresses = planAddresses(new Map([...this.#skeleton].map(([key, { resource }]) => [key, resource])));
    }
    this.#resources = resources;
    this.#instances = instances;
    const index = new InstanceIndex(instances);
    const candidates = new Map<string, readonly RegisteredInstance[]>();
    const services = new Map<string, ServiceModel>();
    const leftOut = new Map<string, number>();
    for (const [key, skeleton] of this.#skeleton) {
      const mine = index.of(skeleton);
      candidates.set(key, mine);
      const before = this.#model.services.get(key);
      const same =
        before !== undefined &&
        peers === this.#policies.peers &&
        oldSkeleton.get(key) === skeleton &&
        equalLists(this.#candidates.get(key) ?? [], mine, Object.is);
      const service = same ? before : serviceModel(skeleton, mine, before, this.#policies.peers);
      services.set(key, service);
      const count = service === before ? (this.#leftOut.get(key) ?? 0) : plainCallersOnlyOf(service);
      if (count > 0) leftOut.set(key, count);
    }
    this.#candidates = candidates;
    this.#leftOut = leftOut;
    this.#model = this.#withIdentity(services, this.#warnings(index));
    return this.#model;
  }

  #withIdentity(services: ReadonlyMap<string, ServiceModel>, warnings: readonly ModelWarning[]): Model {
    const before = this.#model;
    const sameServices = equalLists(
      [...before.services],
      [...services],
      ([keyA, a], [keyB, b]) => keyA === keyB && a === b,
    );
    const routings: PortRouting[] = [];
    for (const { ports } of services.values()) for (const { routing } of ports) routings.push(routing);
    const keptWarnings = keepIdentity(before.warnings, warnings);
    const samePolicies = this.#policies === before.policies;
    const addresses = keepIdentity(before.addresses, this.#addresses.byService);
    const same = sameServices && samePolicies && addresses === before.addresses;
    if (same && keptWarnings === before.warnings && before !== emptyModel) return before;
    return {
      services: sameServices ? before.services : services,
      routings: equalLists(before.routings, routings, Object.is) ? before.routings : routings,
      addresses,
      policies: this.#policies,
      warnings: keptWarnings,
    };
  }

  #warnings(index: InstanceIndex): ModelWarning[] {
    const warnings: ModelWarning[] = this.#referenceWarnings.map(({ resource, place, path, message }) => ({
      resource,
      place: placeText(place),
      message: `${path}: ${message}`,
    }));
    for (const { service, message } of this.#addresses.problems) {
      warnings.push({ resource: resourceName(service), place: placeText(service.place), message });
    }
    for (const [service, count] of index.unused()) {
      const known = this.#skeleton.get(service);
      const reason =
        known === undefined
          ? `there is no Service ${service}`
          : `the selector of Service ${service} does not pick ${count === 1 ? 'it' : 'them'}`;
      warnings.push({
        resource: `instances of ${service}`,
        place: '',
        message: `${count} registered, but ${reason}: nobody is sent there`,
      });
    }
    for (const [service, count] of this.#leftOut)
      warnings.push({
        resource: `instances of ${service}`,
        place: '',
        message: `${count} registered without identity, where others have one or a PeerAuthentication says STRICT: callers with an identity are not sent there`,
      });
    return warnings;
  }
}

function placeText({ file, line, column }: Place): string {
  return line === 0 ? file : `${file}:${line}:${column}`;
}

function plainCallersOnlyOf({ ports }: ServiceModel): number {
  const ids = ports.flatMap(({ endpoints }) =>
    endpoints.endpoints.filter((each) => each.plainCallersOnly).map(({ instanceId }) => instanceId),
  );
  return new Set(ids).size;
}

function serviceModel(
  { resource, ports }: ServiceSkeleton,
  instances: readonly RegisteredInstance[],
  before: ServiceModel | undefined,
  peers: readonly PeerPolicy[],
): ServiceModel {
  const now: ServiceModel = {
    namespace: resource.namespace,
    name: resource.name,
    labels: keepIdentity(before?.labels, resource.labels),
    selector: keepIdentity(before?.selector, resource.selector),
    ports: ports.map(({ definition, routing }): PortModel => {
      const old = before?.ports.find((port) => port.definition.port === definition.port);
      const { namespace, service, port } = definition;
      const endpoints = keepIdentity(old?.endpoints, {
        namespace,
        service,
        port,
        endpoints: mergeEndpoints(definition, resource, instances, peers),
      });
      return old?.definition === definition && old.routing === routing && old.endpoints === endpoints
        ? old
        : { definition, routing, endpoints };
    }),
  };
  return before !== undefined &&
    before.labels === now.labels &&
    before.selector === now.selector &&
    equalLists(before.ports, now.ports, Object.is)
    ? before
    : now;
}

/** Instances by namespace and by the service that they registered for. */
class InstanceIndex {
  readonly #byNamespace = new Map<string, RegisteredInstance[]>();
  readonly #byService = new Map<string, RegisteredInstance[]>();
  readonly #unused: Set<RegisteredInstance>;

  constructor(instances: readonly RegisteredInstance[]) {
    this.#unused = new Set(instances);
    for (const instance of instances) {
      push(this.#byNamespace, instance.namespace, instance);
      push(this.#byService, `${instance.namespace}/${instance.service}`, instance);
    }
  }

  of({ resource }: ServiceSkeleton): readonly RegisteredInstance[] {
    const { namespace, name, selector } = resource;
    const found =
      selector === null
        ? (this.#byService.get(`${namespace}/${name}`) ?? [])
        : (this.#byNamespace.get(namespace) ?? []).filter(({ labels }) => selects(selector, labels));
    for (const instance of found) this.#unused.delete(instance);
    return found;
  }

  /** How many instances of each service no Service took. */
  unused(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { namespace, service } of this.#unused) {
      const key = `${namespace}/${service}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
