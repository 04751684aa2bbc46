/** Why nothing is likely to be seen of a service that somebody asks about: a name that is misspelt would be waited for in silence. It may come yet, so nothing is refused. */
import { closestWord } from '../config-kind/closest-word.ts';

export interface KnownServices {
  /** `shop/orders`; of the configuration. */
  readonly services: Iterable<string>;
  /** Of sidecars that attend. */
  readonly connected: Iterable<string>;
}

/** '' : none, or `name` is none of a service. */
export function nameDoubt(name: string, { services, connected }: KnownServices): string {
  if (name === 'unknown' || !/^[a-z0-9.-]+(?:\/[a-z0-9.-]+)?$/.test(name)) return '';
  const here = new Set(connected);
  if (here.has(name)) return '';
  const known = [...new Set([...services, ...here])].toSorted();
  const others = `no sidecar of ${name} is connected`;
  if (known.includes(name)) return `${others}: there is only what the other side's sidecars tell of its requests`;
  if (name.includes('/')) return `${others}, and no such service is known${meant(closestWord(name, known))}`;
  const lastPart = (full: string): string => full.slice(full.indexOf('/') + 1);
  const called = known.filter((full) => lastPart(full) === name);
  if (called.length > 1)
    return `services of several namespaces are called ${name}: ${called.slice(0, 5).join(', ')}; name one of them in full`;
  const near = closestWord(name, known.map(lastPart));
  return near === null
    ? `no service is called ${name}; to wait for it, name it in full, as NAMESPACE/${name}`
    : `no service is called ${name}${meant(known.find((full) => lastPart(full) === near)!)}`;
}

function meant(near: string | null): string {
  return near === null ? '' : `; did you mean ${near}?`;
}
