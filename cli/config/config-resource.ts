/** One resource of a proxy's configuration, and how to read them out of `/config_dump`: our sidecar's, or Envoy's. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/** In the order in which they are shown. */
export const resourceKinds = ['listeners', 'routes', 'clusters', 'endpoints', 'secrets', 'bootstrap'] as const;
export type ResourceKind = (typeof resourceKinds)[number];

export interface ConfigResource {
  readonly kind: ResourceKind;
  readonly name: string;
  /** From the bootstrap file, or from a control plane. */
  readonly origin: 'static' | 'dynamic';
  /** active, warming, draining; of a control plane's view SYNCED, STALE, NACKED. */
  readonly state: string;
  /** '': it has none. */
  readonly version: string;
  /** ISO 8601; '' where nobody knows. */
  readonly updated: string;
  /** Why the newest version was refused; ''. */
  readonly fault: string;
  /** Proto JSON with proto field names, secrets taken out; null: none was ever accepted, or it is not told. */
  readonly resource: JsonObject | null;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

export function listOf(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Lists of a dump's sections: what is in them, where the resource stands in an entry, and its state. */
const lists: Readonly<Record<string, readonly [ResourceKind, string, string]>> = {
  static_listeners: ['listeners', 'listener', 'active'],
  dynamic_listeners: ['listeners', 'listener', 'active'],
  static_route_configs: ['routes', 'route_config', 'active'],
  dynamic_route_configs: ['routes', 'route_config', 'active'],
  static_clusters: ['clusters', 'cluster', 'active'],
  dynamic_active_clusters: ['clusters', 'cluster', 'active'],
  dynamic_warming_clusters: ['clusters', 'cluster', 'warming'],
  static_endpoint_configs: ['endpoints', 'endpoint_config', 'active'],
  dynamic_endpoint_configs: ['endpoints', 'endpoint_config', 'active'],
  static_secrets: ['secrets', 'secret', 'active'],
  dynamic_active_secrets: ['secrets', 'secret', 'active'],
  dynamic_warming_secrets: ['secrets', 'secret', 'warming'],
};

/** Null: this is no config dump. */
export function resourcesOfDump(dump: JsonValue): ConfigResource[] | null {
  if (!isObject(dump) || !Array.isArray(dump['configs'])) return null;
  const found: ConfigResource[] = [];
  for (const section of listOf(dump['configs'])) {
    if (isObject(section['bootstrap'])) found.push(bootstrapOf(section['bootstrap']));
    for (const [list, entries] of Object.entries(section)) {
      const known = lists[list];
      if (known === undefined) continue;
      for (const entry of listOf(entries)) found.push(...resourceOf(entry, list.startsWith('static_'), known));
    }
  }
  return found;
}

/** A list that `outrigger config -o json` has printed; null: it is none. */
export function resourcesOfList(list: JsonValue): ConfigResource[] | null {
  if (!Array.isArray(list)) return null;
  const rows = listOf(list);
  const good = rows.every(
    ({ kind, name, resource }) =>
      (resourceKinds as readonly string[]).includes(textOf(kind)) &&
      typeof name === 'string' &&
      (resource === null || isObject(resource)),
  );
  return good && rows.length === list.length ? (rows as unknown as ConfigResource[]) : null;
}

function bootstrapOf(resource: JsonObject): ConfigResource {
  const origin = { kind: 'bootstrap', origin: 'static', state: 'active' } as const;
  return { ...origin, name: 'bootstrap', version: '', updated: '', fault: '', resource };
}

/** A dynamic listener may be there in several states at once. */
function resourceOf(
  entry: JsonObject,
  isStatic: boolean,
  [kind, key, state]: readonly [ResourceKind, string, string],
): ConfigResource[] {
  const states = ['active', 'warming', 'draining'].filter((each) => isObject(entry[`${each}_state`]));
  const views: Array<readonly [string, JsonObject]> =
    kind === 'listeners' && !isStatic && states.length > 0
      ? states.map((each) => [each, entry[`${each}_state`] as JsonObject])
      : [[state, entry]];
  const error = entry['error_state'];
  const fault = isObject(error) ? textOf(error['details']) : '';
  return views.map(([shown, view]) => {
    const found = view[key];
    const resource = isObject(found) ? found : null;
    const name = textOf(resource?.['name']) || textOf(resource?.['cluster_name']) || textOf(entry['name']);
    // What was never accepted is there by its name alone.
    const accepted = resource !== null && Object.keys(resource).some((field) => !nameFields.has(field));
    return {
      kind,
      name,
      origin: isStatic ? 'static' : 'dynamic',
      state: accepted || fault === '' ? shown : 'refused',
      version: textOf(view['version_info']),
      updated: textOf(view['last_updated']),
      fault,
      resource: accepted || fault === '' ? resource : null,
    };
  });
}

const nameFields: ReadonlySet<string> = new Set(['@type', 'name', 'cluster_name']);
