/** Names under which callers know a Service. */

/** The short name only where it can mean nothing else: in the Service's own namespace. */
export function serviceNames(namespace: string, service: string, callerNamespace: string): string[] {
  const names = [`${service}.${namespace}`, `${service}.${namespace}.svc.cluster.local`];
  if (namespace === callerNamespace) names.unshift(service);
  return names;
}
