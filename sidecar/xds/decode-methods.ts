/** Lists of HTTP methods. */
import { at, type Faults } from './fault.ts';

const mostMethods = 32;

/** As they stand: methods are case-sensitive (RFC 9110 9.1). An empty list: `byDefault`. CONNECT has no place, as what it opens cannot be sent again. */
export function methodNames(
  names: readonly string[],
  byDefault: readonly string[],
  path: string,
  faults: Faults,
): readonly string[] {
  if (names.length > mostMethods) faults.add(path, `has ${names.length} entries; ${mostMethods} is the limit`);
  for (const [i, name] of names.entries())
    if (!/^[A-Z0-9!#$%&'*+.^_`|~-]{1,32}$/.test(name) || name === 'CONNECT')
      faults.add(at(path, i), `${JSON.stringify(name)} is not a method that can be sent again`);
  return names.length === 0 ? byDefault : [...names];
}
