/** Fields and values of accepted kinds that exist in the Gateway API, or that later versions take: they get words of their own, so that nobody looks for a spelling mistake. */

const ofRoutes: Readonly<Record<string, string>> = {
  hostnames: 'has no meaning for a Service as parent; remove it',
  sessionPersistence: 'is not supported yet',
  useDefaultGateways: 'is not supported; routes here have Services as parents',
};

const ofTrafficPolicies: Readonly<Record<string, string>> = {
  perTryTimeout: 'stands elsewhere: it is timeouts.perTry',
};

const filterTypes: ReadonlySet<string> = new Set(['RequestMirror', 'ExtensionRef', 'CORS', 'ExternalAuth']);

/** What to say about a field that is not in the schema of its kind, or null when it is just unknown. */
export function unsupportedField(kind: string, name: string): string | null {
  const fields = kind.endsWith('Route') ? ofRoutes : kind === 'TrafficPolicy' ? ofTrafficPolicies : {};
  return Object.hasOwn(fields, name) ? fields[name]! : null;
}

/** Whether a filter type is one of the Gateway API's that we lack. */
export function unsupportedFilterType(value: unknown): boolean {
  return typeof value === 'string' && filterTypes.has(value);
}
