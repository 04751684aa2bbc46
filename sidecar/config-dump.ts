/** `/config_dump` in Envoy's shape: what is in force and where it came from. Keys and other secrets are taken out (config-redaction.ts). */
import { type DescMessage, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import type { Configuration, ResourceOrigin } from './config/configuration.ts';
import type { SecretReference } from './config/tls-config.ts';
import { redact, redacted } from './config-redaction.ts';
import type { Secret } from './secret/secret.ts';
import type { SecretLookup } from './secret/secret-store.ts';
import type { RefusedUpdate } from './xds/ads/type-state.ts';
import { type Bootstrap, BootstrapSchema } from './xds/api/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from './xds/api/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from './xds/api/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from './xds/api/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from './xds/api/envoy/config/route/v3/route_pb.js';
import { apiRegistry } from './xds/api-registry.ts';

export interface ConfigDumpInput {
  readonly bootstrap: Bootstrap;
  readonly configuration: Configuration;
  /** What the configuration refers to, and what there is of it. */
  readonly secretReferences: Iterable<SecretReference>;
  readonly secrets: SecretLookup;
  /** By type label and resource name: updates that were refused. */
  readonly refused: ReadonlyMap<string, ReadonlyMap<string, RefusedUpdate>>;
  readonly includeEds: boolean;
  readonly nameFilter: { test(name: string): boolean } | null;
}

type Section = Record<string, unknown>;

export function configDump(input: ConfigDumpInput): { readonly configs: readonly Section[] } {
  const { configuration, includeEds } = input;
  const configs: Section[] = [
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump',
      bootstrap: json(BootstrapSchema, input.bootstrap),
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
      static_clusters: entries(input, configuration.clusters, 'static', 'cluster', ClusterSchema),
      dynamic_active_clusters: entries(input, configuration.clusters, 'dynamic', 'cluster', ClusterSchema),
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
      static_listeners: entries(input, configuration.listeners, 'static', 'listener', ListenerSchema),
      dynamic_listeners: entries(input, configuration.listeners, 'dynamic', 'listener', ListenerSchema).map(
        ({ version_info, listener, last_updated, error_state, name }) => ({
          name,
          ...(listener === undefined ? {} : { active_state: { version_info, listener, last_updated } }),
          ...(error_state === undefined ? {} : { error_state }),
        }),
      ),
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.RoutesConfigDump',
      dynamic_route_configs: entries(
        input,
        configuration.routeTables,
        'dynamic',
        'route_config',
        RouteConfigurationSchema,
      ),
    },
    secretsDump(input),
  ];
  if (includeEds) {
    configs.push({
      '@type': 'type.googleapis.com/envoy.admin.v3.EndpointsConfigDump',
      dynamic_endpoint_configs: entries(
        input,
        configuration.assignments,
        'dynamic',
        'endpoint_config',
        ClusterLoadAssignmentSchema,
      ),
    });
  }
  return { configs };
}

/** Secrets that the configuration refers to, wherever they come from: certificates as they are, keys never. Those that have not come are warming, as in Envoy. */
function secretsDump({ secretReferences, secrets, nameFilter }: ConfigDumpInput): Section {
  const active = new Map<string, Section>();
  const warming = new Map<string, Section>();
  for (const { key, name } of secretReferences) {
    if (nameFilter !== null && !nameFilter.test(name)) continue;
    const secret = secrets.get(key);
    const refusal = secrets.refusal(key);
    (secret === undefined ? warming : active).set(key, {
      name,
      version_info: secret?.version ?? 'uninitialized',
      ...(secret === undefined ? {} : { last_updated: new Date(secret.updatedWallMs).toISOString() }),
      secret: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name,
        ...(secret === undefined ? {} : secretContent(secret)),
      },
      ...(refusal === '' ? {} : { error_state: { details: refusal } }),
    });
  }
  return {
    '@type': 'type.googleapis.com/envoy.admin.v3.SecretsConfigDump',
    dynamic_active_secrets: [...active.values()],
    dynamic_warming_secrets: [...warming.values()],
  };
}

function secretContent({ value }: Secret): Section {
  if (value.kind === 'certificate')
    return {
      tls_certificate: {
        certificate_chain: { inline_string: value.chainPem },
        private_key: { inline_string: redacted },
      },
    };
  if (value.trustDomains === undefined)
    return { validation_context: { trusted_ca: { inline_string: value.trustedCaPem } } };
  const trustDomains = value.trustDomains.map(({ name, rootsPem }) => ({
    name,
    trust_bundle: { inline_string: rootsPem },
  }));
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';
  return {
    validation_context: {
      custom_validator_config: {
        name: 'envoy.tls.cert_validator.spiffe',
        typed_config: { '@type': type, trust_domains: trustDomains },
      },
    },
  };
}

const labelOf: Readonly<Record<string, string>> = {
  cluster: 'cluster',
  listener: 'listener',
  route_config: 'routes',
  endpoint_config: 'endpoints',
};

function entries(
  input: ConfigDumpInput,
  resources: ReadonlyMap<string, ResourceOrigin>,
  origin: 'static' | 'dynamic',
  key: string,
  schema: DescMessage,
): Section[] {
  const found: Section[] = [];
  for (const [name, resource] of resources) {
    if (resource.origin !== origin || (input.nameFilter !== null && !input.nameFilter.test(name))) continue;
    const refused = input.refused.get(labelOf[key]!)?.get(name);
    found.push({
      ...(key === 'listener' && origin === 'dynamic' ? { name } : {}),
      ...(origin === 'dynamic' ? { version_info: resource.version } : {}),
      [key]: {
        '@type': `type.googleapis.com/${schema.typeName}`,
        ...(json(schema, fromBinary(schema, resource.raw)) as Section),
      },
      last_updated: new Date(resource.updatedWallMs).toISOString(),
      ...errorState(refused),
    });
  }
  if (origin === 'dynamic') found.push(...neverAccepted(input, resources, key, schema));
  return found;
}

/** Resources of which no version was ever accepted: only their name, and why. */
function neverAccepted(
  input: ConfigDumpInput,
  resources: ReadonlyMap<string, ResourceOrigin>,
  key: string,
  schema: DescMessage,
): Section[] {
  const found: Section[] = [];
  for (const [name, refused] of input.refused.get(labelOf[key]!) ?? []) {
    if (resources.has(name) || (input.nameFilter !== null && !input.nameFilter.test(name))) continue;
    const nameField = key === 'endpoint_config' ? 'cluster_name' : 'name';
    const resource = { [key]: { '@type': `type.googleapis.com/${schema.typeName}`, [nameField]: name } };
    found.push({ ...(key === 'listener' ? { name } : resource), ...errorState(refused) });
  }
  return found;
}

function errorState(refused: RefusedUpdate | undefined): Section {
  if (refused === undefined) return {};
  return {
    error_state: {
      last_update_attempt: new Date(refused.atWallMs).toISOString(),
      details: refused.details,
      version_info: refused.version,
    },
  };
}

function json(schema: DescMessage, message: Parameters<typeof toJson>[1]): JsonValue {
  return redact(toJson(schema, message, { registry: apiRegistry, useProtoFieldName: true }));
}
