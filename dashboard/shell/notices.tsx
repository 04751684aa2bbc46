/** Small things that every page says in the same way: that it waits, that something failed, how healthy a thing is. */
import type { AskFault } from '../data/ask.ts';
import { type Health, healthMarks, healthWords, type Secured } from '../data/health.ts';

export function Loading() {
  return (
    <p class="empty" role="status">
      Loading …
    </p>
  );
}

/** Nothing where all is well, and where the control plane is away: that is said once, at the top. */
export function Fault({ of, what }: { readonly of: AskFault | null; readonly what: string }) {
  if (of === null || of.kind === 'away') return null;
  return (
    <p class="notice fault" role="alert">
      <strong>No {what}:</strong>{' '}
      {of.kind === 'missing' ? `this control plane does not have them. ${of.message}` : of.message}
    </p>
  );
}

/** Proxies that did not answer: figures are without theirs. */
export function Silent({ nodes }: { readonly nodes: readonly string[] }) {
  if (nodes.length === 0) return null;
  return (
    <p class="notice">
      Without {nodes.length === 1 ? 'one proxy' : `${nodes.length} proxies`} that did not answer:{' '}
      {nodes.slice(0, 8).join(', ')}
      {nodes.length > 8 ? ' …' : ''}
    </p>
  );
}

/** Drawn, as not every machine has letters for it; closed only where all of it is mTLS. */
export function Padlock({ secured }: { readonly secured: Secured }) {
  if (secured === 'unknown') return null;
  return (
    <svg class={`padlock ${secured}`} viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path
        d={secured === 'all' ? 'M5 8V5a3 3 0 0 1 6 0v3' : 'M9 8V5a3 3 0 0 1 6 0'}
        fill="none"
        stroke="currentColor"
        stroke-width="2"
      />
      <rect x="3" y="8" width="10" height="7" rx="1" fill="currentColor" />
    </svg>
  );
}

export function Mark({ health }: { readonly health: Health }) {
  return (
    <span class={`health ${health}`}>
      <span aria-hidden="true">{healthMarks[health]}</span> {healthWords[health]}
    </span>
  );
}
