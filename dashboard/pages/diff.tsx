/** The difference of two texts by lines. */
import type { Hunk } from '../data/mesh-data.ts';

const signs = { same: ' ', removed: '-', added: '+' } as const;
const words = { same: '', removed: 'removed: ', added: 'added: ' } as const;

export function Diff({ hunks }: { readonly hunks: readonly Hunk[] }) {
  if (hunks.length === 0) return <p class="empty">No difference.</p>;
  return (
    <div class="diff scroll" tabIndex={0} role="region" aria-label="Difference">
      {hunks.map(({ lines }, at) => (
        <pre key={at}>
          {lines.map(({ kind, text, oldLine, newLine }, line) => (
            <div key={line} class={kind}>
              <span class="faint">{String(newLine || oldLine).padStart(4)}</span> {signs[kind]}{' '}
              <span class="unseen">{words[kind]}</span>
              {text}
            </div>
          ))}
        </pre>
      ))}
    </div>
  );
}
