/** Reads an Envoy v3 bootstrap, from a file (YAML or JSON) or from an object, into our own form. Every fault is named with its line, column and field path. */
import { fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { isNestedDeeper } from '../../yaml/nesting.ts';
import type { AdsConfig, BootstrapConfig, GrpcSourceConfig } from '../config/bootstrap-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Configured } from '../config/configuration.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import { configurationSecrets } from '../config/secret-references.ts';
import { type Bootstrap, BootstrapSchema } from './api/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from './api/envoy/config/cluster/v3/cluster_pb.js';
import { ApiConfigSource_ApiType, type ConfigSource } from './api/envoy/config/core/v3/config_source_pb.js';
import { ListenerSchema } from './api/envoy/config/listener/v3/listener_pb.js';
import { apiRegistry } from './api-registry.ts';
import { checkFields } from './check-fields.ts';
import { checkJson } from './check-json.ts';
import { checkStaticClusters } from './check-static-clusters.ts';
import { decodeCluster } from './decode-cluster.ts';
import { adsOnly, grpcClusterFault, grpcSource } from './decode-config-source.ts';
import { decodeListener } from './decode-listener.ts';
import { durationMs, socketAddress } from './decode-value.ts';
import { standardJson } from './envoy-json.ts';
import { at, type Fault, Faults, faultText } from './fault.ts';
import { removeField } from './remove-field.ts';

export interface LoadedBootstrap {
  readonly config: BootstrapConfig;
  readonly listeners: ReadonlyMap<string, Configured<ListenerConfig>>;
  readonly clusters: ReadonlyMap<string, Configured<ClusterConfig>>;
  /** As proto JSON, for /config_dump. */
  readonly message: Bootstrap;
}

export type BootstrapResult =
  | { readonly ok: true; readonly bootstrap: LoadedBootstrap }
  | { readonly ok: false; readonly faults: readonly string[] };

/**
 * Parses the text of a bootstrap file; `file` is how faults name it. The YAML library is loaded only when it is needed: for YAML, and to find the line of a fault.
 */
export async function parseBootstrap(text: string, file: string, nowWallMs: number): Promise<BootstrapResult> {
  const value = plainJson(text);
  if (value !== undefined) {
    const result = decodeBootstrap(value, nowWallMs, () => []);
    if (result.ok) return result;
  }
  const { parseYamlText } = await import('./yaml-text.ts');
  const parsed = parseYamlText(text, file);
  if (!parsed.ok) return parsed;
  return decodeBootstrap(parsed.value, nowWallMs, (faults) =>
    faults
      .map((fault) => ({ offset: parsed.offset(fault.path), text: faultText(fault) }))
      .toSorted((a, b) => a.offset - b.offset)
      .map(({ offset, text }) => `${parsed.place(offset)}: ${text}`),
  );
}

/** The value of a text that is JSON; undefined for everything else, and for what is nested too deep: yaml-text.ts says where. */
function plainJson(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isNestedDeeper(value) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** The same from an object in proto JSON. */
export function decodeBootstrap(
  value: unknown,
  nowWallMs: number,
  named: (faults: readonly Fault[]) => readonly string[] = (faults) => faults.map(faultText),
): BootstrapResult {
  const faults = new Faults();
  const refuse = (): BootstrapResult => ({ ok: false, faults: named(faults.list) });
  if (value === null || value === undefined) {
    faults.add('', 'is empty; a bootstrap with node, admin and static_resources is expected');
    return refuse();
  }
  const json = standardJson(BootstrapSchema, value);
  checkJson(BootstrapSchema, json, '', faults);
  if (faults.any) {
    addLaterFaults(json, nowWallMs, faults);
    return refuse();
  }
  let message: Bootstrap;
  try {
    message = fromJson(BootstrapSchema, json as JsonValue, { registry: apiRegistry, ignoreUnknownFields: true });
  } catch (error) {
    // The value stands behind the colon, and may be a key.
    faults.add('', (error as Error).message.split(' from JSON:', 1)[0]!);
    return refuse();
  }
  checkFields(BootstrapSchema, message, '', faults);
  if (faults.any) {
    addLaterFaults(json, nowWallMs, faults);
    return refuse();
  }
  const decoded = decode(message, nowWallMs, faults);
  return faults.any ? refuse() : { ok: true, bootstrap: decoded };
}

/**
 * What later steps would say of a bootstrap that has faults already, so that all are named at once: of the resources only, and of what neither holds a fault nor stands in one, as it
 * could follow from it.
 */
function addLaterFaults(json: unknown, nowWallMs: number, faults: Faults): void {
  const known = faults.list.map(({ path }) => path);
  // A field with a wrong value or name is likely what a fault of the fields beside it comes from; one that is not supported is not.
  const wrong = faults.list.filter(({ message }) => !message.startsWith('is not supported')).map(({ path }) => path);
  const rest = structuredClone(json);
  for (const path of known) removeField(rest, path);
  const later = new Faults();
  try {
    const message = fromJson(BootstrapSchema, rest as JsonValue, { registry: apiRegistry, ignoreUnknownFields: true });
    checkFields(BootstrapSchema, message, '', later);
    decode(message, nowWallMs, later);
  } catch {
    // Too broken to be looked at further.
  }
  for (const { path, message } of later.list)
    if (
      /^static_resources\.(?:listeners|clusters)\[/.test(path) &&
      !known.some((other) => areNested(path, other)) &&
      !wrong.some((other) => parentOf(other) === parentOf(path))
    )
      faults.add(path, message);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('.'));
}

function areNested(a: string, b: string): boolean {
  const [outer, inner] = a.length <= b.length ? [a, b] : [b, a];
  return inner.startsWith(outer) && /^(?:$|[.[])/.test(inner.slice(outer.length));
}

function decode(message: Bootstrap, updatedWallMs: number, faults: Faults): LoadedBootstrap {
  const here = 'static_resources';
  const listeners = new Map<string, Configured<ListenerConfig>>();
  const paths: Array<readonly [ListenerConfig, string]> = [];
  for (const [i, each] of (message.staticResources?.listeners ?? []).entries()) {
    const path = at(at(here, 'listeners'), i);
    const value = decodeListener(each, path, faults);
    if (listeners.has(value.name))
      faults.add(at(path, 'name'), `${JSON.stringify(value.name)} is the name of another listener too`);
    paths.push([value, path]);
    listeners.set(value.name, {
      value,
      version: '',
      origin: 'static',
      updatedWallMs,
      raw: toBinary(ListenerSchema, each),
    });
  }
  const clusters = new Map<string, Configured<ClusterConfig>>();
  for (const [i, each] of (message.staticResources?.clusters ?? []).entries()) {
    const path = at(at(here, 'clusters'), i);
    const value = decodeCluster(each, path, faults);
    if (clusters.has(value.name))
      faults.add(at(path, 'name'), `${JSON.stringify(value.name)} is the name of another cluster too`);
    clusters.set(value.name, {
      value,
      version: '',
      origin: 'static',
      updatedWallMs,
      raw: toBinary(ClusterSchema, each),
    });
  }
  const dynamic = message.dynamicResources;
  const ads = adsConfig(message, clusters, faults);
  if (dynamic?.ldsConfig !== undefined) adsOnly(dynamic.ldsConfig, 'dynamic_resources.lds_config', faults);
  if (dynamic?.cdsConfig !== undefined) adsOnly(dynamic.cdsConfig, 'dynamic_resources.cds_config', faults);
  const dynamicUse =
    dynamic?.ldsConfig !== undefined || dynamic?.cdsConfig !== undefined || usesAds(listeners, clusters);
  if (ads === null && dynamicUse)
    faults.add('dynamic_resources.ads_config', 'is missing, though resources are to come by ADS');
  checkSecretServices(listeners, clusters, faults);
  if (dynamic?.cdsConfig === undefined) checkStaticClusters(paths, clusters, faults);
  const node = message.node;
  if (ads !== null && (node === undefined || node.id === ''))
    faults.add('node.id', 'is needed to talk to a control plane');
  const config: BootstrapConfig = Object.freeze({
    node: {
      id: node?.id ?? '',
      cluster: node?.cluster ?? '',
      region: node?.locality?.region ?? '',
      zone: node?.locality?.zone ?? '',
      subZone: node?.locality?.subZone ?? '',
      metadata: node?.metadata ?? {},
    },
    admin: message.admin?.address === undefined ? null : socketAddress(message.admin.address, 'admin.address', faults),
    listeners: [...listeners.values()].map((each) => each.value),
    clusters: [...clusters.values()].map((each) => each.value),
    ads,
    loadReports: loadReportsConfig(message, clusters, faults),
    listenersByAds: dynamic?.ldsConfig !== undefined,
    clustersByAds: dynamic?.cdsConfig !== undefined,
    initialFetchTimeoutMs: fetchTimeoutMs(dynamic?.ldsConfig, dynamic?.cdsConfig, faults),
  });
  return { config, listeners, clusters, message };
}

/** The longer of the two; 0, for ever, is the longest. */
function fetchTimeoutMs(lds: ConfigSource | undefined, cds: ConfigSource | undefined, faults: Faults): number {
  const all = [
    durationMs(lds?.initialFetchTimeout, 15_000, 'dynamic_resources.lds_config.initial_fetch_timeout', faults),
    durationMs(cds?.initialFetchTimeout, 15_000, 'dynamic_resources.cds_config.initial_fetch_timeout', faults),
  ];
  const said = [lds, cds].flatMap((source, i) => (source?.initialFetchTimeout === undefined ? [] : [all[i]!]));
  if (said.length === 0) return 15_000;
  return said.includes(0) ? 0 : Math.max(...said);
}

function usesAds(
  listeners: ReadonlyMap<string, Configured<ListenerConfig>>,
  clusters: ReadonlyMap<string, Configured<ClusterConfig>>,
): boolean {
  for (const { value } of clusters.values()) if (value.discovery.kind === 'eds') return true;
  if (configurationSecrets({ listeners, clusters }).some(({ source }) => source.kind === 'ads')) return true;
  for (const { value } of listeners.values()) {
    const chains =
      value.defaultFilterChain === null ? value.filterChains : [...value.filterChains, value.defaultFilterChain];
    if (chains.some((chain) => chain.httpConnectionManager?.routes.kind === 'rds')) return true;
  }
  return false;
}

/** Services that secrets come from are reached through static clusters too. */
function checkSecretServices(
  listeners: ReadonlyMap<string, Configured<ListenerConfig>>,
  clusters: ReadonlyMap<string, Configured<ClusterConfig>>,
  faults: Faults,
): void {
  const told = new Set<string>();
  for (const { name, source } of configurationSecrets({ listeners, clusters })) {
    if (source.kind !== 'sds-service' || told.has(source.clusterName)) continue;
    told.add(source.clusterName);
    const fault = grpcClusterFault(source.clusterName, clusters.get(source.clusterName)?.value);
    if (fault !== null)
      faults.add('static_resources', `the secret ${JSON.stringify(name)} cannot come by SDS: ${fault}`);
  }
}

function adsConfig(
  message: Bootstrap,
  clusters: ReadonlyMap<string, Configured<ClusterConfig>>,
  faults: Faults,
): AdsConfig | null {
  const source = message.dynamicResources?.adsConfig;
  if (source === undefined) return null;
  const path = 'dynamic_resources.ads_config';
  const config = grpcSource(source, path, faults);
  const fault = grpcClusterFault(config.clusterName, clusters.get(config.clusterName)?.value);
  if (fault !== null) faults.add(at(path, 'grpc_services[0].envoy_grpc.cluster_name'), fault);
  return { ...config, nodeOnFirstMessageOnly: source.setNodeOnFirstMessageOnly };
}

function loadReportsConfig(
  message: Bootstrap,
  clusters: ReadonlyMap<string, Configured<ClusterConfig>>,
  faults: Faults,
): GrpcSourceConfig | null {
  const source = message.clusterManager?.loadStatsConfig;
  if (source === undefined) return null;
  const path = 'cluster_manager.load_stats_config';
  if (source.apiType === ApiConfigSource_ApiType.DELTA_GRPC) faults.add(at(path, 'api_type'), 'must be GRPC');
  const config = grpcSource(source, path, faults);
  const fault = grpcClusterFault(config.clusterName, clusters.get(config.clusterName)?.value);
  if (fault !== null) faults.add(at(path, 'grpc_services[0].envoy_grpc.cluster_name'), fault);
  return config;
}
