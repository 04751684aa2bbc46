/** What only one proxy has: its listeners, and the way to the application beside it. Each part is kept as long as what it comes from is the same. */
import type { AppProtocol } from '../config-kind/resource.ts';
import { encodeInboundCluster } from './encode-cluster.ts';
import { encodeOutboundListener, encodeUpstreamListener } from './encode-listener.ts';
import { encodeInboundListener } from './encode-peer-authentication.ts';
import { encodePolicyFilters, type PolicyFilters } from './encode-policy-filters.ts';
import { encodeInboundRoutes } from './encode-routes.ts';
import type { EncodedResource } from './encoded-resource.ts';
import type { ProxyNode } from './proxy-node.ts';
import type { ProxyPolicies } from './proxy-policies.ts';
import type { ProxyTelemetry } from './proxy-telemetry.ts';

interface Listeners {
  readonly policies: ProxyPolicies;
  /** Null: there is no application. */
  readonly filters: PolicyFilters | null;
  readonly listeners: ReadonlyMap<string, EncodedResource>;
}

const keptOutbound = new WeakMap<
  ProxyNode,
  { readonly telemetry: ProxyTelemetry; readonly listeners: readonly EncodedResource[] }
>();
const keptListeners = new WeakMap<ProxyNode, Listeners>();

export function ownListeners(
  proxy: ProxyNode,
  policies: ProxyPolicies,
): { readonly listeners: ReadonlyMap<string, EncodedResource>; readonly filters: PolicyFilters | null } {
  const kept = keptListeners.get(proxy);
  if (kept?.policies === policies) return kept;
  const { appPort } = proxy;
  const filters = appPort === null ? null : encodePolicyFilters(policies, proxy, appPort);
  const { telemetry } = policies;
  const inbound =
    appPort === null || filters === null
      ? []
      : [encodeInboundListener({ ...proxy, telemetry }, appPort, policies, filters)];
  const listeners = new Map([...outboundListeners(proxy, telemetry), ...inbound].map((each) => [each.name, each]));
  const now = { policies, filters, listeners };
  keptListeners.set(proxy, now);
  return now;
}

function outboundListeners(proxy: ProxyNode, telemetry: ProxyTelemetry): readonly EncodedResource[] {
  const kept = keptOutbound.get(proxy);
  if (kept?.telemetry === telemetry) return kept.listeners;
  const telling = { ...proxy, telemetry };
  const listeners = [
    encodeOutboundListener(telling),
    ...proxy.upstreams.map((upstream) => encodeUpstreamListener(telling, upstream)),
  ];
  keptOutbound.set(proxy, { telemetry, listeners });
  return listeners;
}

interface Application {
  readonly protocol: AppProtocol | null;
  readonly filters: PolicyFilters | null;
  readonly routes: readonly EncodedResource[];
  readonly clusters: ReadonlyMap<string, EncodedResource>;
}

const keptApplications = new WeakMap<ProxyNode, Application>();

/** `protocol` null: nobody said what it speaks. */
export function applicationResources(
  proxy: ProxyNode,
  protocol: AppProtocol | null,
  filters: PolicyFilters | null,
): Application {
  const kept = keptApplications.get(proxy);
  if (kept !== undefined && kept.protocol === protocol && kept.filters === filters) return kept;
  const { appPort, namespace, service } = proxy;
  const sameProtocol = kept !== undefined && kept.protocol === protocol;
  const clusters = appPort === null ? [] : [encodeInboundCluster(appPort, protocol)];
  const application: Application = {
    protocol,
    filters,
    routes:
      appPort === null
        ? []
        : sameProtocol && sameDescriptions(kept.filters, filters)
          ? kept.routes
          : [encodeInboundRoutes(namespace, service, appPort, protocol, filters?.descriptions ?? [])],
    clusters: sameProtocol ? kept.clusters : new Map(clusters.map((each) => [each.name, each])),
  };
  keptApplications.set(proxy, application);
  return application;
}

/** None before and none now: most policies say nothing of limits. */
function sameDescriptions(before: PolicyFilters | null, now: PolicyFilters | null): boolean {
  return (before?.descriptions.length ?? 0) === 0 && (now?.descriptions.length ?? 0) === 0;
}
