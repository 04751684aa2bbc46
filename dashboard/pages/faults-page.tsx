/** What is done to traffic on purpose: circuit breakers that are held open or closed, and FaultPolicies that are switched off and on. All of it takes the token. */
import { useState } from 'preact/hooks';
import { AskFault, act } from '../data/ask.ts';
import type { BreakerRow, BreakersAnswer, Hunk, PolicyRow } from '../data/mesh-data.ts';
import { usePoll } from '../data/use-poll.ts';
import { spanText } from '../data/words.ts';
import { Fault, Loading, Silent } from '../shell/notices.tsx';
import { TokenNeeded, useToken } from '../shell/token-dialog.tsx';
import { Diff } from './diff.tsx';

const states = [
  ['open', 'Hold open', 'nobody calls'],
  ['closed', 'Hold closed', 'everybody calls'],
  ['automatic', 'Release', 'it decides itself'],
] as const;

export function FaultsPage() {
  const breakers = usePoll<BreakersAnswer>('breakers', 2_000);
  const policies = usePoll<readonly PolicyRow[]>('policies', 3_000);
  const token = useToken();
  const faults = (policies.data ?? []).filter(({ kind }) => kind === 'FaultPolicy');
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Faults and breakers</h1>
      </div>
      {token === '' && <TokenNeeded what="To hold a breaker or to switch a fault" />}
      <h2>Circuit breakers</h2>
      <Fault of={breakers.fault} what="circuit breakers" />
      <Silent nodes={breakers.data?.silent ?? []} />
      {breakers.data === null ? (
        breakers.fault === null && <Loading />
      ) : breakers.data.breakers.length === 0 ? (
        <p class="empty">No sidecar has a circuit breaker (TrafficPolicy, circuitBreaker).</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Circuit breakers">
          <table>
            <thead>
              <tr>
                <th scope="col">of</th>
                <th scope="col">state</th>
                <th scope="col" class="number">
                  calls
                </th>
                <th scope="col" class="number">
                  failed
                </th>
                <th scope="col" class="number">
                  refused
                </th>
                <th scope="col">do</th>
              </tr>
            </thead>
            <tbody>
              {breakers.data.breakers.map((breaker) => (
                <Breaker
                  key={`${breaker.proxy} ${breaker.scope} ${breaker.name} ${breaker.rule}`}
                  breaker={breaker}
                  locked={token === ''}
                  onDone={breakers.again}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <h2>Faults on purpose</h2>
      <Fault of={policies.fault} what="policies" />
      {policies.data !== null && faults.length === 0 && <p class="empty">There is no FaultPolicy.</p>}
      {faults.map((policy) => (
        <FaultSwitch
          key={`${policy.namespace}/${policy.name}`}
          policy={policy}
          locked={token === ''}
          onDone={policies.again}
        />
      ))}
    </>
  );
}

interface BreakerProps {
  readonly breaker: BreakerRow;
  readonly locked: boolean;
  readonly onDone: () => void;
}

function Breaker({ breaker, locked, onDone }: BreakerProps) {
  const [said, setSaid] = useState('');
  const { proxy, service, scope, name, destination, state, heldByOperator, calls, failures, refused } = breaker;
  const set = async (to: string): Promise<void> => {
    setSaid('…');
    try {
      await act('breakers', { proxy, breaker: name, state: to });
      setSaid('Done.');
    } catch (error) {
      setSaid(error instanceof AskFault ? error.message : String(error));
    }
    onDone();
  };
  const open = state === 'open';
  return (
    <tr>
      <th scope="row">
        {service} → {destination || name} {scope === 'route' && <span class="faint">route {name}</span>}
        <div class="faint">
          {proxy} · {breaker.rule || name}
        </div>
      </th>
      <td class={open ? 'bad' : state === 'closed' ? '' : 'warn'} title={breaker.why}>
        {open ? '✕ ' : ''}
        {state.replace('_', ' ')}
        {heldByOperator ? ', held' : ''} <span class="faint">for {spanText(breaker.sinceSeconds * 1_000)}</span>
        {breaker.why !== '' && <div class="faint">{breaker.why}</div>}
      </td>
      <td class="number">{calls}</td>
      <td class="number">{failures}</td>
      <td class="number">{refused}</td>
      <td>
        {states.map(([to, words, title]) => (
          <button key={to} type="button" disabled={locked} title={title} onClick={() => void set(to)}>
            {words}
          </button>
        ))}{' '}
        <span role="status">{said}</span>
      </td>
    </tr>
  );
}

interface Proposed {
  readonly file: string;
  readonly text: string;
  readonly digest: string;
  readonly hunks: readonly Hunk[];
}

function FaultSwitch(props: { readonly policy: PolicyRow; readonly locked: boolean; readonly onDone: () => void }) {
  const { policy, locked, onDone } = props;
  const [proposed, setProposed] = useState<Proposed | null>(null);
  const [said, setSaid] = useState('');
  const over = policy.action.startsWith('over ');
  const name = `${policy.namespace}/${policy.name}`;
  const attempt = async (task: () => Promise<void>): Promise<void> => {
    setSaid('');
    try {
      await task();
    } catch (error) {
      setSaid(error instanceof AskFault ? error.message : String(error));
    }
  };
  return (
    <section class="card" aria-label={`FaultPolicy ${name}`}>
      <h3>
        FaultPolicy {name} <span class={over ? 'faint' : 'warn'}>{over ? '– off' : '! on'}</span>
      </h3>
      <p>
        {policy.holdsFor.join(', ')}: {policy.says.join('; ')} ({policy.action})
      </p>
      {proposed === null ? (
        <button
          type="button"
          disabled={locked}
          onClick={() =>
            void attempt(async () =>
              setProposed(await act<Proposed>('config/fault-switch', { policy: name, on: over })),
            )
          }
        >
          {over ? 'Switch on …' : 'Switch off …'}
        </button>
      ) : (
        <>
          <p>This changes {proposed.file}:</p>
          <Diff hunks={proposed.hunks} />
          <div class="buttons">
            <button
              type="button"
              class="primary"
              disabled={locked}
              onClick={() =>
                void attempt(async () => {
                  const { file, text, digest } = proposed;
                  await act('config/apply', { file, text, digest });
                  setProposed(null);
                  setSaid('Applied; on the page of configuration it can be reverted.');
                  onDone();
                })
              }
            >
              Apply
            </button>
            <button type="button" onClick={() => setProposed(null)}>
              Leave it
            </button>
          </div>
        </>
      )}
      <p role="status">{said}</p>
    </section>
  );
}
