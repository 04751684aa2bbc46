/** Connected proxies: what each has taken, what it refused and why, how long its certificate lasts, what it holds. */
import type { ControlPlaneInfo, ProxyRow, TypeSync } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { bytesText, fromNow, shareText } from '../data/words.ts';
import { Fault, Loading } from '../shell/notices.tsx';
import { addressOf } from '../shell/page-address.ts';

const stateMarks: Readonly<Record<string, string>> = {
  synced: '✓',
  stale: '…',
  waiting: '…',
  refused: '✕',
  'not-sent': '–',
};
const types = ['listener', 'routes', 'cluster', 'endpoints', 'secret'] as const;

export function ProxiesPage() {
  const proxies = usePoll<readonly ProxyRow[]>('proxies', 3_000);
  const info = usePoll<ControlPlaneInfo>('control-plane', 30_000);
  // The machine of the browser may have another time; certificates are the control plane's.
  const nowMs = info.data === null ? Date.now() : Date.parse(info.data.now);
  const rows = proxies.data ?? [];
  const refusing = rows.filter(({ sync = [] }) => sync.some(({ state }) => state === 'refused'));
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Proxies</h1>
        {proxies.data !== null && (
          <span>
            {rows.length} connected{refusing.length === 0 ? '' : `, ${refusing.length} with something refused`}
          </span>
        )}
      </div>
      <Fault of={proxies.fault} what="proxies" />
      {refusing.map((row) => (
        <div key={row.nodeId} class="notice fault">
          <strong>{row.nodeId}</strong> refused:
          <ul>
            {row
              .sync!.flatMap(({ type, refused }) => refused.map((each) => ({ type, ...each })))
              .map(({ type, name, reason }) => (
                <li key={`${type} ${name}`}>
                  {type} <code>{name}</code>: {reason}
                </li>
              ))}
          </ul>
        </div>
      ))}
      {proxies.data === null ? (
        proxies.fault === null && <Loading />
      ) : rows.length === 0 ? (
        <p class="empty">No proxy is connected.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Proxies">
          <table>
            <thead>
              <tr>
                <th scope="col">
                  proxy
                  <br />
                  service
                </th>
                {types.map((type) => (
                  <th key={type} scope="col">
                    {type}
                  </th>
                ))}
                <th scope="col">
                  certificate
                  <br />
                  takes
                </th>
                <th scope="col">version</th>
                <th scope="col" class="number">
                  memory
                  <br />
                  CPU
                  <br />
                  config
                </th>
                <th scope="col">connected</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.nodeId}>
                  <th scope="row">
                    {row.nodeId}
                    <div>
                      <a href={addressOf('service', [row.cluster])}>{row.cluster}</a>
                    </div>
                    <div class="faint">{row.identity || 'without an identity'}</div>
                  </th>
                  {types.map((type) => (
                    <td key={type}>
                      <Sync of={row.sync?.find((each) => each.type === type)} />
                    </td>
                  ))}
                  <td>
                    <Certificate of={row.certificate} nowMs={nowMs} />
                    <div title={row.inbound?.reason}>{row.inbound?.mode ?? '–'}</div>
                  </td>
                  <td>
                    {row.kind} {row.version}
                  </td>
                  <td class="number">
                    {row.footprint ? bytesText(row.footprint.residentBytes) : '–'}
                    <div title="of one core, over the last minute">
                      {row.footprint ? shareText(row.footprint.cpuShare, 1) : '–'}
                    </div>
                    {bytesText((row.sync ?? []).reduce((sum, { bytes }) => sum + bytes, 0))}
                  </td>
                  <td>{fromNow(Date.parse(row.connectedAt), nowMs)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Sync({ of }: { readonly of: TypeSync | undefined }) {
  if (of === undefined) return <span class="faint">–</span>;
  return (
    <span class={of.state === 'refused' ? 'bad' : of.state === 'synced' ? '' : 'warn'}>
      {stateMarks[of.state] ?? '?'} {of.state.replace('-', ' ')} <span class="faint">{of.resources}</span>
    </span>
  );
}

function Certificate({ of, nowMs }: { readonly of: ProxyRow['certificate']; readonly nowMs: number }) {
  if (of === null) return <span class="faint">none known</span>;
  const [from, until] = [Date.parse(of.validFrom), Date.parse(of.validUntil)];
  // They are renewed at half of it: less than a quarter means that renewing fails.
  const short = until - nowMs < (until - from) / 4;
  return (
    <span
      class={until < nowMs ? 'bad' : short ? 'warn' : ''}
      style={{ whiteSpace: 'nowrap' }}
      title={`${of.validUntil}, serial ${of.serial}`}
    >
      {until < nowMs ? '✕ expired ' : short ? '! ends ' : 'ends '}
      {fromNow(until, nowMs)}
    </span>
  );
}
