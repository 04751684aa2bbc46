/** `outrigger status`: every connected proxy and what became of its configuration, from the control plane's CSDS service. */
import '../quiet-grpc.ts';
import { faultsKey } from '../../control-plane/xds-server/faults-key.ts';
import { ClientResourceStatus } from '../../proto/generated/envoy/admin/v3/config_dump_shared_pb.js';
import {
  type ClientConfig,
  type ClientStatusResponse,
  ConfigStatus,
} from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { fetchClientStatus } from '../client-status.ts';
import { formatHostPort, parseHostPort } from '../host-port.ts';
import { type Column, type OutputFormat, printData } from '../print-data.ts';

export interface StatusOptions {
  readonly controlPlane: string;
  readonly output: OutputFormat;
}

interface ProxyStatus {
  readonly id: string;
  readonly service: string;
  readonly kind: string;
  readonly clusters: string;
  readonly endpoints: string;
  readonly listeners: string;
  readonly routes: string;
  readonly faults: readonly string[];
  /** Faults on purpose, by FaultPolicies. */
  readonly faultsOnPurpose: readonly string[];
}

const columns: ReadonlyArray<Column<ProxyStatus>> = [
  { heading: 'proxy', cell: (row) => row.id },
  { heading: 'service', cell: (row) => row.service },
  { heading: 'kind', cell: (row) => row.kind },
  { heading: 'clusters', cell: (row) => row.clusters },
  { heading: 'endpoints', cell: (row) => row.endpoints },
  { heading: 'listeners', cell: (row) => row.listeners },
  { heading: 'routes', cell: (row) => row.routes },
];

/** Exit code 1 when a proxy refused something. */
export async function status(options: StatusOptions): Promise<number> {
  const response = await fetchClientStatus(formatHostPort(parseHostPort('--control-plane', options.controlPlane)));
  const rows = response.config.map(proxyStatus);
  printData(rows, columns, options.output);
  const faults = rows.flatMap((row) => row.faults.map((fault) => `${row.id}: ${fault}`));
  for (const row of rows)
    for (const text of row.faultsOnPurpose)
      process.stderr.write(`outrigger: ${row.id} has faults on purpose: ${text}\n`);
  for (const fault of faults) process.stderr.write(`outrigger: ${fault}\n`);
  return faults.length === 0 ? 0 : 1;
}

function proxyStatus(config: ClientStatusResponse['config'][number]): ProxyStatus {
  const ofType = (suffix: string): string => {
    const entries = config.genericXdsConfigs.filter((entry) => entry.typeUrl.endsWith(suffix));
    // One of the type itself stands for an answer that has nothing: that is SYNCED.
    if (entries.every((entry) => entry.configStatus === ConfigStatus.NOT_SENT)) return 'NOT SENT';
    if (
      entries.some(
        (entry) => entry.configStatus === ConfigStatus.ERROR || entry.clientStatus === ClientResourceStatus.NACKED,
      )
    )
      return 'NACKED';
    return entries.every((entry) => entry.configStatus === ConfigStatus.SYNCED) ? 'SYNCED' : 'STALE';
  };
  return {
    id: config.node?.id ?? '',
    service: config.node?.cluster ?? '',
    kind: config.node?.userAgentName ?? '',
    clusters: ofType('.Cluster'),
    endpoints: ofType('.ClusterLoadAssignment'),
    listeners: ofType('.Listener'),
    routes: ofType('.RouteConfiguration'),
    faults: faultLines(config),
    faultsOnPurpose: faultsOnPurpose(config),
  };
}

/** What the control plane says of them in the node's metadata. */
export function faultsOnPurpose({ node }: Pick<ClientConfig, 'node'>): readonly string[] {
  const found = node?.metadata?.[faultsKey];
  return Array.isArray(found) ? found.filter((text) => typeof text === 'string') : [];
}

/** A NACK is of a whole response: each resource that it names has its text, of a line for each of them. */
export function faultLines({ genericXdsConfigs }: Pick<ClientConfig, 'genericXdsConfigs'>): readonly string[] {
  return [...new Set(genericXdsConfigs.flatMap(({ errorState }) => errorState?.details.split('\n') ?? []))];
}
