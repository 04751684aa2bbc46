/** One service: how it does, who calls it and whom it calls, its instances, routes and policies. */
import { useMemo } from 'preact/hooks';
import { RedCharts } from '../charts/red-charts.tsx';
import { applyingPolicies } from '../data/applying-policies.ts';
import type { EdgesAnswer, EndpointRow, PolicyRow, RouteRow, ServiceRow } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { graphOf } from '../graph/graph-model.ts';
import { EdgeTable } from '../graph/graph-page.tsx';
import { Fault, Loading, Mark } from '../shell/notices.tsx';
import { addressOf } from '../shell/page-address.ts';
import { PolicyTable } from './policy-table.tsx';

const none: readonly never[] = [];

export function ServicePage({ name }: { readonly name: string }) {
  const services = usePoll<readonly ServiceRow[]>('services', 5_000);
  const edges = usePoll<EdgesAnswer>('edges?window=10s', 2_000);
  const endpoints = usePoll<readonly EndpointRow[]>('endpoints', 5_000);
  const routes = usePoll<readonly RouteRow[]>('routes', 5_000);
  const policies = usePoll<readonly PolicyRow[]>('policies', 5_000);
  const graph = useMemo(
    () => graphOf(services.data ?? none, edges.data?.edges ?? none, ''),
    [services.data, edges.data],
  );
  const service = services.data?.find((row) => `${row.namespace}/${row.name}` === name);
  const node = graph.nodes.find(({ id }) => id === name);
  const instances = (endpoints.data ?? none).filter((row) => row.service === name);
  const own = (routes.data ?? none).filter((row) => row.service.startsWith(`${name}:`));
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>{name}</h1>
        {node !== undefined && <Mark health={node.health} />}
        <a href={addressOf('requests', [], { destination: name })}>Its requests</a>
        <a href={addressOf('requests', [], { destination: name, errors: 'true' })}>Those that failed</a>
      </div>
      <Fault of={services.fault} what="services" />
      {services.data === null && services.fault === null && <Loading />}
      {services.data !== null && service === undefined && (
        <p class="notice">
          The control plane knows no service {name} any more. <a href={addressOf('graph')}>All services</a>
        </p>
      )}
      {service !== undefined && (
        <p class="faint">
          Ports {service.ports.join(', ') || '–'} · {service.healthyEndpoints} of {service.endpoints} instances up
          {service.addresses.length > 0 && ` · ${service.addresses.join(', ')}`}
        </p>
      )}
      <RedCharts source="" destination={name} />
      <h2>Callers</h2>
      <Fault of={edges.fault} what="live figures" />
      <EdgeTable edges={graph.edges.filter(({ target }) => target === name)} caption="Who calls it" />
      <EdgeTable edges={graph.edges.filter(({ source }) => source === name)} caption="Whom it calls" />
      <h2>Policies</h2>
      <Fault of={policies.fault} what="policies" />
      {policies.data !== null && <PolicyTable policies={applyingPolicies(policies.data, name, routes.data ?? none)} />}
      <h2>Instances</h2>
      <Fault of={endpoints.fault} what="instances" />
      {instances.length === 0 ? (
        <p class="empty">No instance is known.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Instances">
          <table>
            <thead>
              <tr>
                <th scope="col">address</th>
                <th scope="col">state</th>
                <th scope="col">instance</th>
                <th scope="col">labels</th>
                <th scope="col">zone</th>
                <th scope="col">from</th>
              </tr>
            </thead>
            <tbody>
              {instances.map((row) => (
                <tr key={`${row.port} ${row.address} ${row.instanceId}`}>
                  <th scope="row">{row.address}</th>
                  <td>{row.healthy ? '✓ up' : '✕ not to be called'}</td>
                  <td>{row.instanceId || '–'}</td>
                  <td>
                    {Object.entries(row.labels)
                      .map(([key, value]) => `${key}=${value}`)
                      .join(' ')}
                  </td>
                  <td>{row.zone || '–'}</td>
                  <td>{row.source}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <h2>Routes</h2>
      {own.length === 0 ? (
        <p class="empty">No route; calls go to its instances.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Routes">
          <table>
            <thead>
              <tr>
                <th scope="col">rule</th>
                <th scope="col">matches</th>
                <th scope="col">goes to</th>
              </tr>
            </thead>
            <tbody>
              {own.map((row) => (
                <tr key={`${row.kind} ${row.rule} ${row.callers} ${row.service}`}>
                  <th scope="row">
                    {row.kind} {row.rule}
                    {row.callers === '' ? '' : ` (callers in ${row.callers})`}
                  </th>
                  <td>{row.matches.join(' · ') || 'everything'}</td>
                  <td>{row.backends.join(' · ')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
