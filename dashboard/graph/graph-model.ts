/** The graph that is drawn, out of what the control plane tells: a node for each service, an edge for each pair that talks. Pure. */
import {
  edgeHealth,
  type Health,
  healthWords,
  type Secured,
  secured,
  securedWords,
  serviceHealth,
} from '../data/health.ts';
import type { EdgeRow, ServiceRow } from '../data/mesh-data.ts';
import { msText, rateText, shareText } from '../data/words.ts';

export interface GraphNode {
  /** `namespace/service`; '' : the world outside. */
  readonly id: string;
  readonly name: string;
  readonly health: Health;
  /** What comes to it. */
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  readonly detail: string;
}

export interface GraphEdge {
  readonly source: string;
  readonly target: string;
  readonly health: Health;
  readonly secured: Secured;
  readonly requestsPerSecond: number;
  readonly label: string;
  readonly row: EdgeRow;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export const outside = 'outside';
/** As sidecars call those that show no identity and say no name. */
const unknownCaller = 'unknown';

/** It has a page. */
export function isService(id: string): boolean {
  return id !== '' && id !== unknownCaller;
}

/** `namespace`: '' for all; edges into it and out of it stay, with their other ends. */
export function graphOf(services: readonly ServiceRow[], edges: readonly EdgeRow[], namespace: string): Graph {
  const inNamespace = (id: string): boolean => namespace === '' || id.startsWith(`${namespace}/`);
  const shown = edges.filter(({ source, destination }) => inNamespace(source) || inNamespace(destination));
  const byName = new Map(services.map((row) => [`${row.namespace}/${row.name}`, row]));
  const ids = new Set([...byName.keys()].filter(inNamespace));
  for (const { source, destination } of shown) {
    ids.add(source);
    ids.add(destination);
  }
  const incoming = Map.groupBy(edges, ({ destination }) => destination);
  const calling = new Set(edges.filter((edge) => edge.requestsPerSecond > 0).map(({ source }) => source));
  const nodes = [...ids].toSorted().map((id): GraphNode => {
    const into = incoming.get(id) ?? [];
    const requestsPerSecond = into.reduce((sum, edge) => sum + edge.requestsPerSecond, 0);
    const failuresPerSecond = into.reduce((sum, edge) => sum + edge.failuresPerSecond, 0);
    const service = byName.get(id);
    const health = serviceHealth(into, service);
    return {
      id,
      name: id === '' ? outside : id === unknownCaller ? 'unknown callers' : id,
      // Who only calls, as the world outside does, has traffic, and nothing is wrong with it.
      health: health === 'idle' && calling.has(id) ? 'good' : health,
      requestsPerSecond,
      failuresPerSecond,
      detail: [
        requestsPerSecond > 0 ? rateText(requestsPerSecond) : '',
        failuresPerSecond > 0 ? `${shareText(failuresPerSecond, requestsPerSecond)} failed` : '',
        service === undefined || service.endpoints === service.healthyEndpoints
          ? ''
          : `${service.healthyEndpoints} of ${service.endpoints} up`,
      ]
        .filter(Boolean)
        .join(' · '),
    };
  });
  return {
    nodes,
    edges: shown.map((row) => ({
      source: row.source,
      target: row.destination,
      health: edgeHealth(row),
      secured: secured(row.securedShare),
      requestsPerSecond: row.requestsPerSecond,
      label: `${rateText(row.requestsPerSecond)} · ${msText(row.p50Ms)}`,
      row,
    })),
  };
}

/** For who does not see the picture. */
export function nodeWords({ name, health, detail }: GraphNode): string {
  return `${name}, ${healthWords[health]}${detail === '' ? '' : `, ${detail}`}`;
}

export function edgeWords({ source, target, health, secured, label }: GraphEdge): string {
  return `${source || outside} to ${target || outside}, ${healthWords[health]}, ${label}, ${securedWords[secured]}`;
}
