/** `when[].key` of an authorization rule: which attribute of a request it looks at. */
import type { TextAttribute } from './policy-resource.ts';

export type ConditionKey =
  | { readonly attribute: TextAttribute }
  | { readonly attribute: 'ip' | 'port' }
  | { readonly attribute: 'header'; readonly name: string }
  | { readonly attribute: 'claim'; readonly path: readonly string[] };

const simple: ReadonlyMap<string, ConditionKey> = new Map<string, ConditionKey>([
  ['source.ip', { attribute: 'ip' }],
  ['source.namespace', { attribute: 'namespace' }],
  ['source.principal', { attribute: 'principal' }],
  ['source.serviceAccount', { attribute: 'serviceAccount' }],
  ['request.auth.principal', { attribute: 'requestPrincipal' }],
  ['request.auth.audiences', { attribute: 'claim', path: ['aud'] }],
  ['request.auth.presenter', { attribute: 'claim', path: ['azp'] }],
  ['destination.port', { attribute: 'port' }],
  ['connection.sni', { attribute: 'serverName' }],
]);

export const conditionKeys = ['request.headers[NAME]', 'request.auth.claims[NAME]', ...simple.keys()] as const;

/** Null when it is none. */
export function conditionKey(text: string): ConditionKey | null {
  const known = simple.get(text);
  if (known !== undefined) return known;
  const header = /^request\.headers\[([A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256})\]$/.exec(text);
  if (header !== null) return { attribute: 'header', name: header[1]!.toLowerCase() };
  const claim = /^request\.auth\.claims((?:\[[^[\]]{1,256}\]){1,8})$/.exec(text);
  return claim === null ? null : { attribute: 'claim', path: claim[1]!.slice(1, -1).split('][') };
}
