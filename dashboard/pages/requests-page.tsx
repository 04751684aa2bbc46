/** Recent requests, by filters that stand in the address; one opens its story. A request id goes straight there. */
import { useRef } from 'preact/hooks';
import type { RequestRecord, RequestsAnswer } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { clockText, durationMs, msText } from '../data/words.ts';
import { isFailed, statusOf } from '../request/waterfall.ts';
import { Fault, Loading, Silent } from '../shell/notices.tsx';
import { addressOf } from '../shell/page-address.ts';

/** Filters that a list and a tap have in common. */
export const requestFields = [
  ['source', 'From', 'shop/storefront'],
  ['destination', 'To', 'shop/orders'],
  ['route', 'Route', 'shop/payments#rule-0'],
  ['method', 'Method', 'POST'],
  ['pathPrefix', 'Path begins with', '/orders'],
  ['status', 'Status', '5xx, 503, grpc:14'],
  ['flag', 'Flag', 'UF'],
  ['minDuration', 'Slower than', '250ms'],
] as const;

export function RequestsPage({ query }: { readonly query: Readonly<Record<string, string>> }) {
  const form = useRef<HTMLFormElement>(null);
  const given = Object.entries(query).filter(([, value]) => value !== '');
  const path = `requests?${new URLSearchParams([...given, ['limit', '200']]).toString()}`;
  const { data, fault, again } = usePoll<RequestsAnswer>(path, 5_000);
  const apply = (event: Event): void => {
    event.preventDefault();
    const values = new FormData(form.current!);
    const id = String(values.get('id') ?? '').trim();
    if (id !== '') {
      location.hash = addressOf('request', [id]);
      return;
    }
    const next = Object.fromEntries([...values].map(([key, value]) => [key, String(value).trim()]));
    location.hash = addressOf('requests', [], next);
    again();
  };
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Requests</h1>
      </div>
      <form ref={form} class="filters" onSubmit={apply} key={path}>
        <label>
          Request or trace id
          <input name="id" placeholder="x-request-id" spellcheck={false} data-search />
        </label>
        {requestFields.map(([name, label, example]) => (
          <label key={name}>
            {label}
            <input name={name} defaultValue={query[name] ?? ''} placeholder={example} spellcheck={false} />
          </label>
        ))}
        <label class="check">
          <input type="checkbox" name="errors" value="true" defaultChecked={query['errors'] === 'true'} /> only those
          that failed
        </label>
        <button type="submit">Show</button>
        {given.length > 0 && <a href={addressOf('requests')}>All</a>}
        <a href={addressOf('tap', [], query)}>Live</a>
      </form>
      <Fault of={fault} what="requests" />
      <Silent nodes={data?.silent ?? []} />
      {data === null ? (
        fault === null && <Loading />
      ) : data.requests.length === 0 ? (
        <p class="empty">
          No sidecar remembers such a request. They keep all that failed or were slow, and a sample of the others.
        </p>
      ) : (
        <RequestTable requests={data.requests} />
      )}
    </>
  );
}

export function RequestTable({ requests }: { readonly requests: readonly RequestRecord[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Requests">
      <table>
        <thead>
          <tr>
            <th scope="col">time</th>
            <th scope="col">request</th>
            <th scope="col">from → to</th>
            <th scope="col">answer</th>
            <th scope="col" class="number">
              duration
            </th>
            <th scope="col">why</th>
          </tr>
        </thead>
        <tbody>
          {requests.map((record, at) => (
            <tr key={`${record.requestId ?? ''} ${record.nodeId ?? ''} ${record.direction ?? ''} ${at}`}>
              <td>{clockText(record.started)}</td>
              <th scope="row">
                {record.requestId === undefined || record.requestId === '' ? (
                  <>
                    {record.method} {record.path}
                  </>
                ) : (
                  <a href={addressOf('request', [record.requestId])}>
                    {record.method} {record.path}
                  </a>
                )}
              </th>
              <td>
                {record.source || 'outside'} → {record.destination || record.authority || '–'}{' '}
                <span class="faint">{record.direction === 'inbound' ? 'in' : 'out'}</span>
              </td>
              <td class={isFailed(record) ? 'bad' : ''}>
                {isFailed(record) ? '✕' : '✓'} {statusOf(record)} {record.flags}
              </td>
              <td class="number">{msText(durationMs(record.duration))}</td>
              <td>{record.rule || record.details || record.kept || '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
