/** Where requests carry the tokens of one or several providers: headers, query parameters, cookies. Finds all that are there, and takes them out again. */
import type { RequestHead } from '../../codec/message-head.ts';
import type { JwtProviderConfig } from '../../config/jwt-authn-config.ts';
import { changedQuery, queryValues } from '../query-parameters.ts';

interface Place {
  readonly kind: 'header' | 'parameter' | 'cookie';
  readonly name: string;
  /** Of headers: what stands before the token. */
  readonly prefix: string;
  /** Issuers whose tokens may stand there; null: any. */
  issuers: Set<string> | null;
}

export interface FoundToken {
  readonly token: string;
  readonly place: Place;
}

/** What most requests have, where tokens are not asked for: nothing is made for them. */
const noTokens: readonly FoundToken[] = Object.freeze([]);
const noValues: readonly string[] = Object.freeze([]);

export class TokenPlaces {
  readonly #places: readonly Place[];

  constructor(providers: readonly JwtProviderConfig[]) {
    const places: Place[] = [];
    const add = (kind: Place['kind'], name: string, prefix: string, issuer: string): void => {
      let place = places.find((each) => each.kind === kind && each.name === name && each.prefix === prefix);
      if (place === undefined) {
        place = { kind, name, prefix, issuers: new Set() };
        places.push(place);
      }
      if (issuer === '') place.issuers = null;
      else place.issuers?.add(issuer);
    };
    for (const { issuer, fromHeaders, fromParams, fromCookies } of providers) {
      for (const { name, prefix } of fromHeaders) add('header', name, prefix, issuer);
      for (const name of fromParams) add('parameter', name, '', issuer);
      for (const name of fromCookies) add('cookie', name, '', issuer);
    }
    // Envoy's order, in which the last that is found is judged first.
    const order = ['header', 'parameter', 'cookie'];
    const key = ({ kind, name, prefix }: Place): string => `${order.indexOf(kind)}${name}${prefix}`;
    this.#places = places.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  /**
   * Every token, also further ones of the same name: all of them have to be good, as nobody knows which one the application will believe.
   */
  find(head: RequestHead): readonly FoundToken[] {
    let found: FoundToken[] | null = null;
    for (const place of this.#places) {
      const tokens =
        place.kind === 'header'
          ? headerTokens(head, place)
          : place.kind === 'parameter'
            ? queryValues(head.path, place.name)
            : cookieValues(head, place.name);
      for (const token of tokens) {
        found ??= [];
        found.push({ token, place });
      }
    }
    return found ?? noTokens;
  }
}

/** The request goes on without what stands in that place. */
export function removeTokens(head: RequestHead, { kind, name }: Place): void {
  if (kind === 'header') head.fields.delete(name);
  else if (kind === 'parameter') head.path = changedQuery(head.path, new Set([name]));
  else removeCookie(head, name);
}

function headerTokens(head: RequestHead, { name, prefix }: Place): readonly string[] {
  if (!head.fields.has(name)) return noValues;
  const values = head.fields.getAll(name);
  if (prefix === '') return values;
  // A scheme has no case (RFC 9110 11.1), and the application may read it so: a token under `bearer` must not pass unjudged.
  const folds = /^bearer /i.test(prefix);
  const wanted = folds ? prefix.toLowerCase() : prefix;
  const findPrefix = (value: string): number => (folds ? value.toLowerCase() : value).indexOf(wanted);
  return values
    .filter((value) => findPrefix(value) >= 0)
    .map((value) => {
      const rest = value.slice(findPrefix(value) + prefix.length);
      // What comes before the token's first character is not looked at, what comes behind its last one spoils it (Envoy).
      const start = rest.search(/[A-Za-z0-9_.-]/);
      return start < 0 ? value : rest.slice(start);
    });
}

function crumbs(value: string): string[] {
  return value.split(';').map((crumb) => crumb.trim());
}

function isCookie(crumb: string, name: string): boolean {
  const at = crumb.indexOf('=');
  return at >= 0 && crumb.slice(0, at).trim() === name;
}

function cookieValues(head: RequestHead, name: string): readonly string[] {
  if (!head.fields.has('cookie')) return noValues;
  return head.fields
    .getAll('cookie')
    .flatMap(crumbs)
    .filter((crumb) => isCookie(crumb, name))
    .map((crumb) => /^"?(.*?)"?$/.exec(crumb.slice(crumb.indexOf('=') + 1).trim())![1]!);
}

function removeCookie(head: RequestHead, name: string): void {
  const { names, values } = head.fields;
  for (let i = names.length - 1; i >= 0; i--) {
    if (names[i]!.lower !== 'cookie') continue;
    const kept = crumbs(values[i]!).filter((crumb) => !isCookie(crumb, name));
    if (kept.length > 0) values[i] = kept.join('; ');
    else {
      names.splice(i, 1);
      values.splice(i, 1);
    }
  }
}
