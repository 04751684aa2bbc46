/** Whether a caller is somebody in a namespace: whether it speaks for an account of one of its Services. Kept for each caller until the accounts change. */
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import type { Caller } from '../door/caller.ts';
import type { Model } from '../model/model.ts';

interface Known {
  readonly routings: Model['routings'];
  readonly byNamespace: Map<string, boolean>;
}

/** `trustDomain`: that all identities are of. */
export function namespaceCallers(
  model: () => Pick<Model, 'routings'> | null,
  trustDomain: string,
): (caller: Caller, namespace: string) => boolean {
  const kept = new WeakMap<Caller, Known>();
  return (caller, namespace) => {
    const routings = model()?.routings ?? [];
    let known = kept.get(caller);
    if (known === undefined || known.routings !== routings) {
      known = { routings, byNamespace: new Map() };
      kept.set(caller, known);
    }
    let found = known.byNamespace.get(namespace);
    if (found === undefined) {
      const accounts = new Set(
        routings
          .filter(({ definition }) => definition.namespace === namespace)
          .flatMap(({ definition }) => definition.serviceAccounts),
      );
      found = [...accounts].some((account) => caller.speaksFor(serviceAccountId(trustDomain, namespace, account)));
      known.byNamespace.set(namespace, found);
    }
    return found;
  };
}
