/** The page of the live graph: the picture, or the same as tables; what is selected is told in words beside it. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { healthMarks, healthWords, securedWords } from '../data/health.ts';
import type { EdgesAnswer, ServiceRow } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { msText, rateText, shareText } from '../data/words.ts';
import { Fault, Loading, Mark, Padlock, Silent } from '../shell/notices.tsx';
import { addressOf } from '../shell/page-address.ts';
import { useStillness, useTheme } from '../shell/theme.ts';
import { GraphCanvas } from './graph-canvas.ts';
import {
  edgeWords,
  type Graph,
  type GraphEdge,
  type GraphNode,
  graphOf,
  isService,
  nodeWords,
  outside,
} from './graph-model.ts';

const none: readonly never[] = [];

export function GraphPage({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const { view = 'picture', namespace = '' } = query;
  const services = usePoll<readonly ServiceRow[]>('services', 5_000);
  const edges = usePoll<EdgesAnswer>('edges?window=10s', 2_000);
  const graph = useMemo(
    () => graphOf(services.data ?? none, edges.data?.edges ?? none, namespace),
    [services.data, edges.data, namespace],
  );
  const namespaces = [...new Set((services.data ?? none).map((row) => row.namespace))].toSorted();
  const to = (change: Readonly<Record<string, string>>): void => {
    location.hash = addressOf('graph', [], { ...query, ...change });
  };
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Services</h1>
        <label>
          Namespace{' '}
          <select value={namespace} onChange={(event) => to({ namespace: event.currentTarget.value })}>
            <option value="">all</option>
            {namespaces.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <div class="switch" role="group" aria-label="How the graph is shown">
          <button type="button" aria-pressed={view === 'picture'} onClick={() => to({ view: '' })}>
            Picture
          </button>
          <button type="button" aria-pressed={view === 'table'} onClick={() => to({ view: 'table' })}>
            Table
          </button>
        </div>
      </div>
      <Fault of={services.fault} what="services" />
      {edges.fault?.kind === 'missing' ? (
        <p class="notice">
          This control plane has no live figures (/api/v1/edges), so services stand here without what passes between
          them.
        </p>
      ) : (
        <Fault of={edges.fault} what="live figures" />
      )}
      <Silent nodes={edges.data?.silent ?? none} />
      {services.data === null ? (
        services.fault === null && <Loading />
      ) : graph.nodes.length === 0 ? (
        <p class="empty">
          No services yet. They come from configuration files, from `outrigger run`, or from Kubernetes.
        </p>
      ) : view === 'table' ? (
        <GraphTables graph={graph} />
      ) : (
        <Picture graph={graph} />
      )}
    </>
  );
}

function Picture({ graph }: { readonly graph: Graph }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawing = useRef<GraphCanvas | null>(null);
  const [selected, setSelected] = useState<{ readonly node: GraphNode | null; readonly edge: GraphEdge | null }>({
    node: null,
    edge: null,
  });
  const still = useStillness();
  const theme = useTheme();
  useEffect(() => {
    const made = new GraphCanvas(canvas.current!, {
      onSelect: (node, edge) => setSelected({ node, edge }),
      onOpen: (node, edge) => {
        if (edge !== null) location.hash = edgeAddress(edge);
        else if (node !== null && isService(node.id)) location.hash = addressOf('service', [node.id]);
      },
    });
    drawing.current = made;
    return () => made.close();
  }, []);
  useEffect(() => {
    drawing.current!.still = still;
  }, [still]);
  useEffect(() => drawing.current!.recolour(), [theme]);
  useEffect(() => drawing.current!.show(graph), [graph]);
  // Of the newest figures, not of when it was selected.
  const node = graph.nodes.find(({ id }) => id === selected.node?.id) ?? null;
  const edge =
    graph.edges.find(({ source, target }) => source === selected.edge?.source && target === selected.edge.target) ??
    null;
  const counts = healthCounts(graph);
  return (
    <div class="graph">
      <div class="layers">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-label={`Graph of ${graph.nodes.length} services and ${graph.edges.length} edges: ${counts}. Arrow keys go from service to service, Enter opens one, plus, minus and 0 zoom. The button Table shows the same in tables.`}
        />
      </div>
      <div class="graph-tools" role="group" aria-label="Zoom">
        <button type="button" aria-label="Closer" onClick={() => drawing.current?.zoom(1.25)}>
          +
        </button>
        <button type="button" aria-label="Farther" onClick={() => drawing.current?.zoom(0.8)}>
          −
        </button>
        <button type="button" onClick={() => drawing.current?.fit()}>
          Fit
        </button>
      </div>
      <p class="legend">
        {(['good', 'degraded', 'failing', 'idle'] as const).map((health) => (
          <span key={health} class={`health ${health}`}>
            <span aria-hidden="true">{healthMarks[health]}</span> {healthWords[health]}
          </span>
        ))}
        <span>
          <Padlock secured="all" /> mTLS
        </span>
        <span>
          <Padlock secured="none" /> some or all in plaintext
        </span>
        <span class="faint">{counts}</span>
      </p>
      <div class="selected" aria-live="polite">
        {node !== null && (
          <p>
            {nodeWords(node)}. {isService(node.id) && <a href={addressOf('service', [node.id])}>Open {node.name}</a>}
          </p>
        )}
        {edge !== null && (
          <p>
            {edgeWords(edge)}. <a href={edgeAddress(edge)}>Open this edge</a>
          </p>
        )}
        {node === null && edge === null && (
          <p class="faint">Select a service or an edge; a double click, or Enter, opens it.</p>
        )}
      </div>
    </div>
  );
}

export function edgeAddress({ source, target }: Pick<GraphEdge, 'source' | 'target'>): string {
  return addressOf('edge', [source || outside, target || outside]);
}

function healthCounts(graph: Graph): string {
  const counts = Map.groupBy(graph.nodes, ({ health }) => health);
  return (['failing', 'degraded', 'good', 'idle'] as const)
    .filter((health) => counts.has(health))
    .map((health) => `${counts.get(health)!.length} ${healthWords[health]}`)
    .join(', ');
}

export function GraphTables({ graph }: { readonly graph: Graph }) {
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label="Services">
        <table>
          <caption>Services</caption>
          <thead>
            <tr>
              <th scope="col">service</th>
              <th scope="col">health</th>
              <th scope="col" class="number">
                requests
              </th>
              <th scope="col" class="number">
                failed
              </th>
            </tr>
          </thead>
          <tbody>
            {graph.nodes.map((node) => (
              <tr key={node.id}>
                <th scope="row">
                  {!isService(node.id) ? node.name : <a href={addressOf('service', [node.id])}>{node.name}</a>}
                </th>
                <td>
                  <Mark health={node.health} />
                </td>
                <td class="number">{rateText(node.requestsPerSecond)}</td>
                <td class="number">{shareText(node.failuresPerSecond, node.requestsPerSecond)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <EdgeTable edges={graph.edges} caption="Edges" />
    </>
  );
}

export function EdgeTable({ edges, caption }: { readonly edges: readonly GraphEdge[]; readonly caption: string }) {
  if (edges.length === 0) return <p class="empty">{caption}: none in the last ten seconds.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">edge</th>
            <th scope="col">health</th>
            <th scope="col" class="number">
              requests
            </th>
            <th scope="col" class="number">
              failed
            </th>
            <th scope="col" class="number">
              p50
            </th>
            <th scope="col" class="number">
              p99
            </th>
            <th scope="col">secured</th>
            <th scope="col">breaker</th>
          </tr>
        </thead>
        <tbody>
          {edges.map((edge) => (
            <tr key={`${edge.source}>${edge.target}`}>
              <th scope="row">
                <a href={edgeAddress(edge)}>
                  {edge.source || outside} → {edge.target || outside}
                </a>
              </th>
              <td>
                <Mark health={edge.health} />
              </td>
              <td class="number">{rateText(edge.requestsPerSecond)}</td>
              <td class="number">{shareText(edge.row.failuresPerSecond, edge.requestsPerSecond)}</td>
              <td class="number">{msText(edge.row.p50Ms)}</td>
              <td class="number">{msText(edge.row.p99Ms)}</td>
              <td>
                <Padlock secured={edge.secured} /> {securedWords[edge.secured]}
              </td>
              <td>{edge.row.breaker?.replace('_', ' ') || '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
