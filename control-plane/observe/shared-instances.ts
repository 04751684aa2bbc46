/** Services that are the same instances by several names: a subset of a service (`payments-v1`) is a Service of its own to its callers, while its instances know only the one that they registered for. */
import type { Model, ServiceModel } from '../model/model.ts';

/** Of a service (`namespace/name`) all names that have instances in common with it, its own among them. */
export type SameInstances = (service: string) => ReadonlySet<string>;

const addresses = new WeakMap<ServiceModel, ReadonlySet<string>>();

interface SharedOfModel {
  readonly byAddress: ReadonlyMap<string, readonly string[]>;
  /** Those that were asked for. */
  readonly names: Map<string, ReadonlySet<string>>;
}

const sharedOf = new WeakMap<Model['services'], SharedOfModel>();

/** Each service is looked at once for a model, whoever asks how often. */
export function sameInstances({ services }: Pick<Model, 'services'>, service: string): ReadonlySet<string> {
  let shared = sharedOf.get(services);
  if (shared === undefined) sharedOf.set(services, (shared = { byAddress: byAddress(services), names: new Map() }));
  const model = services.get(service);
  if (model === undefined) return new Set([service]);
  let names = shared.names.get(service);
  if (names === undefined) {
    const found = new Set([service]);
    for (const address of addressesOf(model)) for (const name of shared.byAddress.get(address)!) found.add(name);
    shared.names.set(service, (names = found));
  }
  return names;
}

function byAddress(services: Model['services']): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, service] of services)
    for (const address of addressesOf(service)) {
      const names = found.get(address);
      if (names === undefined) found.set(address, [name]);
      else names.push(name);
    }
  return found;
}

/** Models are immutable. */
function addressesOf(service: ServiceModel): ReadonlySet<string> {
  let known = addresses.get(service);
  if (known === undefined) {
    known = new Set(
      service.ports.flatMap(({ endpoints }) => endpoints.endpoints.map(({ address, port }) => `${address} ${port}`)),
    );
    addresses.set(service, known);
  }
  return known;
}
