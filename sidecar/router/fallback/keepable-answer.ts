/**
 * Which answers may be kept and given again when there is no other (RFC 9111, as a cache that many users share), and to which requests. What is not clear is not kept: an answer must never reach a user that it was not for.
 *
 * Requests with `authorization`, `cookie`, `range` or a body, those that ask for a fresh answer, those that gates change (request-as-it-came.ts) or routes take something off, and all of a listener where a gate finds out who calls (JWT, ext_authz), have no part in it. Answers are kept for GET with 200, unless they set a cookie or `cache-control` has no-store, private or no-cache;
 * must-revalidate, proxy-revalidate and s-maxage allow them only while they are fresh (5.2.2), stale-if-error so long beyond that (RFC 5861).
 */
import type { HeaderFields } from '../../codec/header-fields.ts';
import type { RequestHead, ResponseHead } from '../../codec/message-head.ts';

/** Names of fields by which answers differ; of more than this nobody keeps the variants apart. */
const mostVaryNames = 16;

/** The request may be answered with what another one got. `head` as it came, before gates and routes took a credential off; one with a body has no part in it, and is not asked about. */
export function mayShareAnswers({ method, upgrade, fields }: RequestHead): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || upgrade !== '') return false;
  const { names } = fields;
  for (let i = 0; i < names.length; i++) {
    switch (names[i]!.lower) {
      case 'authorization':
      case 'cookie':
      case 'range':
        return false;
      case 'cache-control':
        if (/no-store|no-cache/i.test(fields.values[i]!)) return false;
    }
  }
  return true;
}

/** Milliseconds from when the answer was made during which it may be given again; 0: it must not be kept; Infinity: it says nothing. */
export function usableForMs({ status, fields }: ResponseHead): number {
  if (status !== 200 || fields.has('set-cookie') || fields.has('content-range')) return 0;
  const control = fields.getAll('cache-control');
  if (control.length === 0) return Infinity;
  let strict = false;
  let maxAgeS = -1;
  let sharedMaxAgeS = -1;
  let staleS = -1;
  for (const directive of control.join(',').toLowerCase().split(',')) {
    const [name = '', value = ''] = directive.split('=', 2).map((part) => part.trim());
    switch (name) {
      case 'no-store':
      case 'private':
      case 'no-cache':
        return 0;
      case 'must-revalidate':
      case 'proxy-revalidate':
        strict = true;
        break;
      case 's-maxage':
        sharedMaxAgeS = secondsOf(value);
        strict = true;
        break;
      case 'max-age':
        maxAgeS = secondsOf(value);
        break;
      case 'stale-if-error':
        staleS = secondsOf(value);
    }
  }
  const freshS = Math.max(0, sharedMaxAgeS >= 0 ? sharedMaxAgeS : maxAgeS);
  if (strict) return freshS * 1000;
  return staleS >= 0 ? (freshS + staleS) * 1000 : Infinity;
}

/** How old it was when it came, by its `age`, in milliseconds. */
export function ageMs(fields: HeaderFields): number {
  return secondsOf(fields.get('age') ?? '') * 1000;
}

/** Lower case, sorted, each once: those of `vary` and of the configuration. Null: no two requests get the same answer. */
export function varyNames(fields: HeaderFields, configured: readonly string[]): readonly string[] | null {
  const vary = fields.getAll('vary');
  if (vary.length === 0) return configured;
  const named = vary
    .join(',')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (named.includes('*') || named.length > mostVaryNames) return null;
  return [...new Set([...configured, ...named])].toSorted();
}

/** What is no number is 0: not fresh for any time. */
function secondsOf(text: string): number {
  const match = /^"?(\d{1,10})"?$/.exec(text);
  return match === null ? 0 : Number(match[1]);
}
