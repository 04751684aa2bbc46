/** Fields and values of accepted kinds that exist in the Gateway API but that we do not take: they get words of their own, so that nobody looks for a spelling mistake. */

const fields: Readonly<Record<string, string>> = {
  hostnames: 'has no meaning for a Service as parent; remove it',
  retry: 'is not supported yet',
  sessionPersistence: 'is not supported yet',
  useDefaultGateways: 'is not supported; routes here have Services as parents',
};

const filterTypes: ReadonlySet<string> = new Set(['RequestMirror', 'ExtensionRef', 'CORS', 'ExternalAuth']);

/** What to say about a field of a route that is not in the schema, or null when it is just unknown. */
export function unsupportedField(kind: string, name: string): string | null {
  return kind.endsWith('Route') && Object.hasOwn(fields, name) ? fields[name]! : null;
}

/** Whether a filter type is one of the Gateway API's that we lack. */
export function unsupportedFilterType(value: unknown): boolean {
  return typeof value === 'string' && filterTypes.has(value);
}
