/** What stands behind the addresses that a proxy offers for single services: their routes, or why there are none. */
import { closestWord } from '../config-kind/closest-word.ts';
import type { ServiceModel } from '../model/model.ts';
import { encodeUnknownUpstream, encodeUpstreamRoutes } from './encode-routes.ts';
import type { EncodedResource } from './encoded-resource.ts';
import type { ProxyNode, UpstreamAddress } from './proxy-node.ts';

/** One table per upstream of the proxy. A table keeps its identity as long as what it says is the same. */
export function upstreamRoutes(
  services: ReadonlyMap<string, ServiceModel>,
  proxy: ProxyNode,
): readonly EncodedResource[] {
  return proxy.upstreams.map((upstream) => {
    const service = services.get(`${upstream.namespace}/${upstream.service}`);
    const found = service?.ports.find(({ definition }) => definition.port === upstream.port);
    return found === undefined || found.definition.protocol === 'tcp'
      ? unknownTable(upstream, problemOf(services, service, upstream))
      : encodeUpstreamRoutes(found.routing, proxy.namespace, proxy.kind === 'outrigger');
  });
}

function problemOf(
  services: ReadonlyMap<string, ServiceModel>,
  service: ServiceModel | undefined,
  { namespace, service: name, port }: UpstreamAddress,
): string {
  const fullName = `${namespace}/${name}`;
  if (service === undefined) {
    const near = closestWord(fullName, [...services.keys()]);
    return `there is no service ${fullName}${near === null ? '' : `; did you mean ${near}?`}`;
  }
  if (service.ports.some(({ definition }) => definition.port === port))
    return `port ${port} of ${fullName} is tcp, which has no routes; only http, http2 and grpc ports can be upstreams`;
  const ports = service.ports.filter(({ definition }) => definition.protocol !== 'tcp');
  return `service ${fullName} has no port ${port}; it has ${ports.map(({ definition }) => definition.port).join(', ') || 'no port that is routed'}`;
}

const kept = new WeakMap<UpstreamAddress, { readonly problem: string; readonly table: EncodedResource }>();

function unknownTable(upstream: UpstreamAddress, problem: string): EncodedResource {
  const before = kept.get(upstream);
  if (before?.problem === problem) return before.table;
  const table = encodeUnknownUpstream(upstream, problem);
  kept.set(upstream, { problem, table });
  return table;
}
