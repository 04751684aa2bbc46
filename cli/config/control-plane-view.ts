/** A proxy's configuration as its control plane has sent it, from CSDS: with contents where the control plane tells them. Secrets are taken out here, as the sidecar takes them out of its dump. */
import { fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import { ClientResourceStatus } from '../../proto/generated/envoy/admin/v3/config_dump_shared_pb.js';
import { type ClientConfig, ConfigStatus } from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { redact } from '../../sidecar/config-redaction.ts';
import { apiRegistry } from '../../sidecar/xds/api-registry.ts';
import { fetchClientStatus } from '../client-status.ts';
import { UserError } from '../user-error.ts';
import type { ConfigResource, ResourceKind } from './config-resource.ts';

const kinds: Readonly<Record<string, ResourceKind>> = {
  Listener: 'listeners',
  RouteConfiguration: 'routes',
  Cluster: 'clusters',
  ClusterLoadAssignment: 'endpoints',
  Secret: 'secrets',
};

/** `proxy`: its node's id; unless `whole`, or a part of it that no other's has. Rejects with a UserError. */
export async function controlPlaneView(
  target: string,
  proxy: string,
  whole = false,
): Promise<{ readonly id: string; readonly resources: readonly ConfigResource[] }> {
  const { config } = await fetchClientStatus(target, { contains: proxy });
  const ids = config.map(({ node }) => node?.id ?? '');
  const id = ids.includes(proxy) ? proxy : whole ? undefined : ids[0];
  if (id === undefined)
    throw new UserError(
      `no proxy ${proxy} is connected to the control plane at ${target}; outrigger status lists those that are, and --admin asks a sidecar itself`,
    );
  if (id !== proxy && ids.length > 1)
    throw new UserError(
      `${proxy} may be ${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ' and others' : ''}; say which`,
      2,
    );
  const [found] = (await fetchClientStatus(target, { exact: id })).config;
  if (found === undefined) throw new UserError(`${id} has just left the control plane at ${target}; try again`);
  return { id, resources: resourcesOf(found) };
}

export function resourcesOf({ genericXdsConfigs }: Pick<ClientConfig, 'genericXdsConfigs'>): ConfigResource[] {
  return genericXdsConfigs.flatMap((entry) => {
    const kind = kinds[entry.typeUrl.split('.').at(-1)!];
    // One without a name stands for the type itself.
    if (kind === undefined || entry.name === '') return [];
    const refused = entry.configStatus === ConfigStatus.ERROR || entry.clientStatus === ClientResourceStatus.NACKED;
    return [
      {
        kind,
        name: entry.name,
        origin: 'dynamic',
        state: refused ? 'NACKED' : entry.configStatus === ConfigStatus.SYNCED ? 'SYNCED' : 'STALE',
        version: entry.versionInfo,
        updated: '',
        fault: entry.errorState?.details ?? '',
        resource: contentOf(entry.xdsConfig),
      } satisfies ConfigResource,
    ];
  });
}

function contentOf(any: ClientConfig['genericXdsConfigs'][number]['xdsConfig']): JsonObject | null {
  const schema = any === undefined ? undefined : apiRegistry.getMessage(any.typeUrl.split('/').at(-1)!);
  if (any === undefined || schema === undefined) return null;
  try {
    const json = toJson(schema, fromBinary(schema, any.value), { registry: apiRegistry, useProtoFieldName: true });
    return { '@type': any.typeUrl, ...(redact(json) as JsonObject) };
  } catch {
    // Meant for another client than our sidecar: there is something in it that this one does not know.
    return null;
  }
}
