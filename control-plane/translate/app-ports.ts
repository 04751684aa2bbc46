/** Ports of the application beside a proxy that traffic is redirected to: what its Services say of them, its own metadata, and what each speaks. */
import type { AppProtocol } from '../config-kind/resource.ts';
import { keepIdentity } from '../model/keep-identity.ts';
import type { PortModel, ServiceModel } from '../model/model.ts';
import { selects } from '../model/selects.ts';
import { hasPort } from './port-ranges.ts';
import type { ProxyNode } from './proxy-node.ts';

export interface AppPort {
  readonly port: number;
  /** Null: nobody said, or several say different things; what a connection brings is looked at. */
  readonly protocol: AppProtocol | null;
}

type Services = ReadonlyMap<string, ServiceModel>;

const kept = new WeakMap<ProxyNode, { readonly services: Services; readonly ports: readonly AppPort[] }>();

/** By number; the same list as long as it says the same. */
export function appPorts(services: Services, proxy: ProxyNode): readonly AppPort[] {
  const last = kept.get(proxy);
  if (last?.services === services) return last.ports;
  const ports = keepIdentity(last?.ports, portsOf(services, proxy));
  kept.set(proxy, { services, ports });
  return ports;
}

/** Tells apart proxies of one key whose labels put them behind different Services. */
export function appPortsKey(services: Services, proxy: ProxyNode): string {
  return appPorts(services, proxy)
    .map(({ port, protocol }) => `${port}/${protocol ?? 'any'}`)
    .join();
}

const byNamespace = new WeakMap<Services, ReadonlyMap<string, readonly ServiceModel[]>>();

function servicesOf(services: Services, namespace: string): readonly ServiceModel[] {
  let index = byNamespace.get(services);
  if (index === undefined) {
    index = Map.groupBy(services.values(), (service) => service.namespace);
    byNamespace.set(services, index);
  }
  return index.get(namespace) ?? [];
}

function portsOf(services: Services, proxy: ProxyNode): AppPort[] {
  const spoken = new Map<number, Set<AppProtocol>>();
  const mine = servicesOf(services, proxy.namespace)
    .filter((service) => isBehind(service, proxy))
    .flatMap(({ ports }) => ports);
  for (const port of mine) {
    for (const number of targetsOf(port)) {
      const protocols = spoken.get(number) ?? new Set();
      protocols.add(port.definition.protocol);
      spoken.set(number, protocols);
    }
  }
  const { appPort, appPorts, inboundListen, opaquePorts } = proxy;
  // Where no Service says it, its application speaks what all of its ports speak.
  if (appPort !== null && !spoken.has(appPort))
    spoken.set(appPort, new Set(mine.map(({ definition }) => definition.protocol)));
  // Of several nobody knows which of them that would be.
  for (const port of appPorts) if (!spoken.has(port)) spoken.set(port, new Set());
  spoken.delete(inboundListen.port);
  return [...spoken]
    .toSorted(([a], [b]) => a - b)
    .map(([port, protocols]) => ({
      port,
      protocol: hasPort(opaquePorts, port) ? 'tcp' : protocols.size === 1 ? [...protocols][0]! : null,
    }));
}

function isBehind({ name, selector }: ServiceModel, proxy: ProxyNode): boolean {
  return name === proxy.service || (selector !== null && selects(selector, proxy.labels));
}

/** Where the port has a name that only a pod could resolve: where its endpoints listen. */
function targetsOf({ definition, endpoints }: PortModel): readonly number[] {
  return definition.targetPort === null
    ? [...new Set(endpoints.endpoints.map(({ port }) => port))]
    : [definition.targetPort];
}
