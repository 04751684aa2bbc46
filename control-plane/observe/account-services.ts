/** Which service a caller's account stands for: callees know their callers by accounts (`namespace/account`), callers themselves by services. */
import type { Attendant } from './attending-proxy.ts';

const accountOf = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/;

/** By those that attend. An account that several services have stays what it is. */
export function servicesByAccount(proxies: Iterable<Attendant>): (account: string) => string {
  const services = new Map<string, Set<string>>();
  for (const { identity, service } of proxies) {
    const match = accountOf.exec(identity);
    if (match === null) continue;
    const account = `${match[1]}/${match[2]}`;
    const known = services.get(account);
    if (known === undefined) services.set(account, new Set([service]));
    else known.add(service);
  }
  return (account) => {
    const known = services.get(account);
    return known === undefined || known.size !== 1 || known.has(account) ? account : [...known][0]!;
  };
}
