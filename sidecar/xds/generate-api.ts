/**
 * Generates `sidecar/xds/api/`: the messages that the sidecar takes, with the fields that it takes (supported-fields.ts) and no others, because the whole of Envoy's API costs a process
 * 24 MB. The names of the fields that were cut stand in `api/cut-fields.json`, the messages and what
 * is ignored of each in `api/ignored-fields.json`. Part of set-up (scripts/with-setup.mjs).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileDescriptors } from '../../proto/compile-descriptors.ts';
import { entryFiles, includePaths } from '../../proto/proto-sources.ts';
import { pruneDescriptors } from '../../proto/prune-descriptors.ts';
import { writeGenerated } from '../../proto/write-generated.ts';
import { supportedFields } from './supported-fields.ts';

/** Messages of protocols that the sidecar speaks, rather than of configuration that it takes: whole. */
const whole = [
  'envoy.service.discovery.v3.',
  'envoy.service.auth.v3.',
  'envoy.service.load_stats.v3.',
  'envoy.config.endpoint.v3.ClusterStats',
  'envoy.config.endpoint.v3.UpstreamLocalityStats',
  'envoy.config.endpoint.v3.UpstreamEndpointStats',
  'envoy.service.ratelimit.v3.',
  'envoy.extensions.common.ratelimit.v3.RateLimitDescriptor',
  'envoy.config.core.v3.QueryParameter',
  'google.api.expr.v1alpha1.',
  'google.rpc.',
  'outrigger.',
];

const protocolRoots = [
  'envoy.service.discovery.v3.DiscoveryRequest',
  'envoy.service.discovery.v3.DiscoveryResponse',
  'envoy.service.discovery.v3.DeltaDiscoveryRequest',
  'envoy.service.discovery.v3.DeltaDiscoveryResponse',
  'envoy.service.auth.v3.CheckRequest',
  'envoy.service.auth.v3.CheckResponse',
  'envoy.service.load_stats.v3.LoadStatsRequest',
  'envoy.service.load_stats.v3.LoadStatsResponse',
  'envoy.service.ratelimit.v3.RateLimitRequest',
  'envoy.service.ratelimit.v3.RateLimitResponse',
  ...[
    'Instance',
    'RegisterRequest',
    'RegisterResponse',
    'HeartbeatRequest',
    'HeartbeatResponse',
    'DeregisterRequest',
    'DeregisterResponse',
  ].map((name) => `outrigger.registry.v1.${name}`),
  ...['SignRequest', 'SignResponse', 'WatchBundleRequest', 'WatchBundleResponse'].map(
    (name) => `outrigger.identity.v1.${name}`,
  ),
  ...['Query', 'Report'].map((name) => `outrigger.observe.v1.${name}`),
];

/** Fields of the protocol's messages that only make them larger. */
const unneeded = new Set([
  'dynamic_parameters',
  'dynamic_parameter_constraints',
  'resource_locators_subscribe',
  'resource_locators_unsubscribe',
  'resource_locators',
  'resource_errors',
  'cache_control',
  'header_map',
  'route_metadata_context',
  'quota',
  'load_metric_stats',
  'cpu_utilization',
  'mem_utilization',
  'application_utilization',
]);

const { files, cut } = pruneDescriptors(compileDescriptors(includePaths, entryFiles), {
  roots: [...Object.keys(supportedFields), ...protocolRoots],
  keep(message, field) {
    if (Object.hasOwn(supportedFields, message)) return Object.hasOwn(supportedFields[message]!, field);
    return whole.some((prefix) => message.startsWith(prefix)) && !unneeded.has(field);
  },
});
const folder = join(import.meta.dirname, 'api');
writeGenerated(files, folder);
writeFileSync(join(folder, 'cut-fields.json'), JSON.stringify(cut));
const ignored = Object.fromEntries(
  Object.entries(supportedFields).map(([message, fields]) => [
    message,
    Object.keys(fields).filter((field) => fields[field]!.startsWith('ignored')),
  ]),
);
writeFileSync(join(folder, 'ignored-fields.json'), JSON.stringify(ignored));
