/** Policies that have a say about a service, each in short. */
import type { PolicyRow } from '../data/mesh-data.ts';

export function PolicyTable({ policies }: { readonly policies: readonly PolicyRow[] }) {
  if (policies.length === 0) return <p class="empty">No policy holds here; the defaults do.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Policies">
      <table>
        <thead>
          <tr>
            <th scope="col">policy</th>
            <th scope="col">holds for</th>
            <th scope="col">does</th>
            <th scope="col">says</th>
          </tr>
        </thead>
        <tbody>
          {policies.map((policy) => (
            <tr key={`${policy.kind} ${policy.namespace}/${policy.name}`}>
              <th scope="row">
                {policy.kind} {policy.namespace === '' ? '' : `${policy.namespace}/`}
                {policy.name}
              </th>
              <td>{policy.holdsFor.join(', ')}</td>
              <td>{policy.action || '–'}</td>
              <td>
                {policy.says.map((line) => (
                  <div key={line}>{line}</div>
                ))}
                {policy.refusedBy.length > 0 && (
                  <div class="bad">✕ not in force at {policy.refusedBy.join(', ')}, which refused it</div>
                )}
                {policy.warnings.map((line) => (
                  <div key={line} class="warn">
                    ! {line}
                  </div>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
