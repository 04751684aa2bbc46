/** One edge: calls of one service to another. */
import { RedCharts } from '../charts/red-charts.tsx';
import { applyingPolicies } from '../data/applying-policies.ts';
import { edgeHealth, secured, securedWords } from '../data/health.ts';
import type { EdgesAnswer, PolicyRow, RouteRow } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { msText, rateText, shareText } from '../data/words.ts';
import { outside } from '../graph/graph-model.ts';
import { Fault, Loading, Mark, Padlock } from '../shell/notices.tsx';
import { addressOf } from '../shell/page-address.ts';
import { PolicyTable } from './policy-table.tsx';

const none: readonly never[] = [];

export function EdgePage({ source, destination }: { readonly source: string; readonly destination: string }) {
  const edges = usePoll<EdgesAnswer>('edges?window=10s', 2_000);
  const policies = usePoll<readonly PolicyRow[]>('policies', 5_000);
  const routes = usePoll<readonly RouteRow[]>('routes', 5_000);
  const edge = edges.data?.edges.find((row) => row.source === source && row.destination === destination);
  const counts = (title: string, of: Readonly<Record<string, number>> | undefined) => {
    const entries = Object.entries(of ?? {});
    return (
      <>
        <dt>{title}</dt>
        <dd>{entries.length === 0 ? 'none' : entries.map(([key, value]) => `${key}: ${value}`).join(', ')}</dd>
      </>
    );
  };
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>
          {source || outside} → {destination || outside}
        </h1>
        {edge !== undefined && <Mark health={edgeHealth(edge)} />}
        <a href={addressOf('requests', [], { source, destination })}>Its requests</a>
        <a href={addressOf('requests', [], { source, destination, errors: 'true' })}>Those that failed</a>
      </div>
      <Fault of={edges.fault} what="live figures" />
      {edges.data === null && edges.fault === null && <Loading />}
      {edges.data !== null && edge === undefined && <p class="notice">Nothing passes here now.</p>}
      {edge !== undefined && (
        <dl class="facts">
          <dt>requests</dt>
          <dd>{rateText(edge.requestsPerSecond)}</dd>
          <dt>failed</dt>
          <dd>{shareText(edge.failuresPerSecond, edge.requestsPerSecond)}</dd>
          <dt>duration</dt>
          <dd>
            p50 {msText(edge.p50Ms)}, p90 {msText(edge.p90Ms)}, p99 {msText(edge.p99Ms)}
          </dd>
          <dt>secured</dt>
          <dd>
            <Padlock secured={secured(edge.securedShare)} /> {securedWords[secured(edge.securedShare)]}
            {edge.securedShare !== null && ` (${shareText(edge.securedShare, 1)})`}
          </dd>
          <dt>breaker</dt>
          <dd>
            {edge.breaker?.replace('_', ' ') || 'none'}
            {edge.breaker ? (
              <>
                {' '}
                <a href={addressOf('faults')}>hold or release it</a>
              </>
            ) : null}
          </dd>
          <dt>under way</dt>
          <dd>{edge.active ?? '–'}</dd>
          {counts('answers', edge.classes)}
          {counts('flags', edge.flags)}
        </dl>
      )}
      <RedCharts source={source} destination={destination} />
      <h2>Policies of {destination || outside}</h2>
      <Fault of={policies.fault} what="policies" />
      {policies.data !== null && (
        <PolicyTable policies={applyingPolicies(policies.data, destination, routes.data ?? none)} />
      )}
    </>
  );
}
