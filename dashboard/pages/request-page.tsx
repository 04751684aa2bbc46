/** The story of one request: in words, as a waterfall over the hops, and what each sidecar wrote down. */
import type { ExplainAnswer, RequestRecord } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { msText } from '../data/words.ts';
import { isFailed, statusOf, waterfall } from '../request/waterfall.ts';
import { Loading, Silent } from '../shell/notices.tsx';
import { addressOf } from '../shell/page-address.ts';

export function RequestPage({ id }: { readonly id: string }) {
  const { data, fault, again } = usePoll<ExplainAnswer>(`requests/${encodeURIComponent(id)}`, 30_000);
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>
          Request <code>{id}</code>
        </h1>
        <button type="button" onClick={again}>
          Ask again
        </button>
        <a href={addressOf('requests')}>All requests</a>
      </div>
      {data === null && fault === null && <Loading />}
      {fault !== null && fault.kind !== 'away' && (
        <p class="notice fault" role="alert">
          {fault.message}
        </p>
      )}
      {data !== null && (
        <>
          <Silent nodes={data.silent} />
          <section class="story" aria-label="Explanation">
            <p class="summary">{data.explanation.summary}</p>
            <pre>{data.explanation.hops.join('\n')}</pre>
            {data.explanation.why.length > 0 && (
              <>
                <h2>Why</h2>
                <ul>
                  {data.explanation.why.map((line) => (
                    <li key={line}>{line}</li>
                  ))}
                </ul>
              </>
            )}
            {data.explanation.next.length > 0 && (
              <>
                <h2>Next</h2>
                <ul>
                  {data.explanation.next.map((line) => (
                    <li key={line}>
                      <code>{line}</code>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </section>
          <h2>Hops</h2>
          <WaterfallChart hops={data.hops} />
          {data.hops.map(({ record }, at) => (
            <Record key={at} record={record} />
          ))}
        </>
      )}
    </>
  );
}

function WaterfallChart({ hops }: Pick<ExplainAnswer, 'hops'>) {
  const { bars, totalMs } = waterfall(hops);
  const share = (ms: number): string => `${totalMs === 0 ? 0 : (ms / totalMs) * 100}%`;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Waterfall">
      <table class="waterfall">
        <thead>
          <tr>
            <th scope="col">hop</th>
            <th scope="col">answer</th>
            <th scope="col" class="number">
              began
            </th>
            <th scope="col" class="number">
              took
            </th>
            <th scope="col" class="time">
              <span>0</span>
              <span>{msText(totalMs)}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {bars.map((bar, at) => (
            <tr key={at} class={bar.kind}>
              <th scope="row" style={{ paddingInlineStart: `${0.5 + bar.depth * 1.1}rem` }}>
                {bar.label}
              </th>
              <td class={bar.failed ? 'bad' : ''}>
                {bar.failed ? '✕' : '✓'} {bar.note}
              </td>
              <td class="number">{msText(bar.startMs)}</td>
              <td class="number">{msText(bar.endMs - bar.startMs)}</td>
              <td class="time">
                <div
                  class={`bar ${bar.failed ? 'failed' : ''}`}
                  style={{ insetInlineStart: share(bar.startMs), inlineSize: share(bar.endMs - bar.startMs) }}
                />
                {bar.marks.map(({ name, atMs }) => (
                  <i
                    key={name}
                    class="moment"
                    title={`${name} at ${msText(atMs)}`}
                    style={{ insetInlineStart: share(atMs) }}
                  />
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Record({ record }: { readonly record: RequestRecord }) {
  const facts: ReadonlyArray<readonly [string, string | undefined]> = [
    ['request', `${record.method ?? ''} ${record.authority ?? ''}${record.path ?? ''} (${record.protocol ?? '–'})`],
    ['caller', record.peerIdentity || record.remoteAddress],
    ['route', record.route],
    ['cluster', record.cluster],
    ['rule', record.rule],
    ['details', record.details],
    ['bytes', `${record.bytesReceived ?? 0} in, ${record.bytesSent ?? 0} out`],
    ['trace', record.traceId],
    ['kept because', record.kept],
  ];
  const headers = [
    ...Object.entries(record.requestHeaders ?? {}).map(([name, value]) => `> ${name}: ${value}`),
    ...Object.entries(record.responseHeaders ?? {}).map(([name, value]) => `< ${name}: ${value}`),
  ];
  return (
    <details>
      <summary>
        {record.service} {record.direction === 'inbound' ? 'in' : 'out'}: {isFailed(record) ? '✕' : '✓'}{' '}
        {statusOf(record)} {record.flags}
      </summary>
      <dl class="facts">
        {facts
          .filter(([, value]) => value !== undefined && value !== '')
          .map(([name, value]) => (
            <>
              <dt key={name}>{name}</dt>
              <dd>{value}</dd>
            </>
          ))}
      </dl>
      {(record.passedOver ?? []).length > 0 && (
        <ul>
          {record.passedOver!.map(({ host, why }) => (
            <li key={host}>
              passed over {host}: {why}
            </li>
          ))}
        </ul>
      )}
      {(record.circumstances ?? []).map((line) => (
        <p key={line}>{line}</p>
      ))}
      {headers.length > 0 && <pre>{headers.join('\n')}</pre>}
    </details>
  );
}
