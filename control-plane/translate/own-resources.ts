/** What only one proxy has: its listeners, and the way to the application beside it. Each part is kept as long as what it comes from is the same. */
import type { AppProtocol } from '../config-kind/resource.ts';
import { encodeInboundCluster } from './encode-cluster.ts';
import { encodeOutboundListener, encodeUpstreamListener } from './encode-listener.ts';
import { encodeInboundListener } from './encode-peer-authentication.ts';
import { encodePolicyFilters } from './encode-policy-filters.ts';
import { encodeInboundRoutes } from './encode-routes.ts';
import type { EncodedResource } from './encoded-resource.ts';
import type { ProxyNode } from './proxy-node.ts';
import type { ProxyPolicies } from './proxy-policies.ts';

interface Listeners {
  readonly policies: ProxyPolicies;
  readonly listeners: ReadonlyMap<string, EncodedResource>;
}

const keptOutbound = new WeakMap<ProxyNode, readonly EncodedResource[]>();
const keptListeners = new WeakMap<ProxyNode, Listeners>();

export function ownListeners(proxy: ProxyNode, policies: ProxyPolicies): ReadonlyMap<string, EncodedResource> {
  const kept = keptListeners.get(proxy);
  if (kept?.policies === policies) return kept.listeners;
  const { appPort } = proxy;
  const inbound =
    appPort === null
      ? []
      : [encodeInboundListener(proxy, appPort, policies, encodePolicyFilters(policies, proxy, appPort))];
  const listeners = new Map([...outboundListeners(proxy), ...inbound].map((each) => [each.name, each]));
  keptListeners.set(proxy, { policies, listeners });
  return listeners;
}

function outboundListeners(proxy: ProxyNode): readonly EncodedResource[] {
  let listeners = keptOutbound.get(proxy);
  if (listeners === undefined) {
    listeners = [
      encodeOutboundListener(proxy),
      ...proxy.upstreams.map((upstream) => encodeUpstreamListener(proxy, upstream)),
    ];
    keptOutbound.set(proxy, listeners);
  }
  return listeners;
}

interface Application {
  readonly protocol: AppProtocol | null;
  readonly routes: readonly EncodedResource[];
  readonly clusters: ReadonlyMap<string, EncodedResource>;
}

const keptApplications = new WeakMap<ProxyNode, Application>();

/** `protocol` null: nobody said what it speaks. */
export function applicationResources(proxy: ProxyNode, protocol: AppProtocol | null): Application {
  const kept = keptApplications.get(proxy);
  if (kept !== undefined && kept.protocol === protocol) return kept;
  const { appPort, namespace, service } = proxy;
  const clusters = appPort === null ? [] : [encodeInboundCluster(appPort, protocol)];
  const application: Application = {
    protocol,
    routes: appPort === null ? [] : [encodeInboundRoutes(namespace, service, appPort, protocol)],
    clusters: new Map(clusters.map((each) => [each.name, each])),
  };
  keptApplications.set(proxy, application);
  return application;
}
