/**
 * A route configuration, compiled: which virtual host answers to a host name, and which of its routes takes a request. Envoy's precedence: exact domain,
 * then the longest suffix wildcard, then the longest prefix wildcard, then `*`; the first route that matches. Large tables are indexed by path.
 */
import type { RequestHead } from '../codec/message-head.ts';
import type { RouteConfig, RouteTableConfig, VirtualHostConfig } from '../config/route-config.ts';
import { HeaderMutation } from './header-mutation.ts';
import { RouteEntry } from './route-entry.ts';

/** Below this many routes, trying them in order is faster than looking them up. */
const indexFrom = 8;

export class VirtualHost {
  readonly name: string;
  readonly #routes: readonly RouteEntry[];
  readonly #index: RouteIndex | null;

  constructor(config: VirtualHostConfig, table: RouteTableConfig) {
    this.name = config.name;
    const request = compact(HeaderMutation.compile(config.requestHeaders), HeaderMutation.compile(table.requestHeaders));
    const response = compact(HeaderMutation.compile(config.responseHeaders), HeaderMutation.compile(table.responseHeaders));
    this.#routes = config.routes.map((route) => new RouteEntry(route, request, response));
    this.#index = config.routes.length >= indexFrom ? new RouteIndex(config.routes) : null;
  }

  route(head: RequestHead): RouteEntry | null {
    const query = head.path.indexOf('?');
    const path = query < 0 ? head.path : head.path.slice(0, query);
    if (this.#index === null) {
      for (const route of this.#routes) if (route.matches(head, path)) return route;
      return null;
    }
    for (const at of this.#index.candidates(path)) if (this.#routes[at]!.matches(head, path)) return this.#routes[at]!;
    return null;
  }
}

function compact(...mutations: Array<HeaderMutation | null>): readonly HeaderMutation[] {
  return mutations.filter((mutation) => mutation !== null);
}

/** Which routes could match a path, in order: by exact path, by prefix of each length that occurs, and those that must always be tried. */
class RouteIndex {
  readonly #exact = new Map<string, number[]>();
  readonly #prefixes = new Map<string, number[]>();
  readonly #prefixLengths: readonly number[];
  readonly #always: number[] = [];
  readonly #found: number[] = [];

  constructor(routes: readonly RouteConfig[]) {
    for (const [at, { match }] of routes.entries()) {
      const { kind, value } = match.path;
      if (kind === 'regex' || !match.caseSensitive) this.#always.push(at);
      else put(kind === 'exact' ? this.#exact : this.#prefixes, value, at);
    }
    this.#prefixLengths = [...new Set([...this.#prefixes.keys()].map((prefix) => prefix.length))];
  }

  /** Valid until the next call. */
  candidates(path: string): readonly number[] {
    const found = this.#found;
    found.length = 0;
    let sources = 0;
    const add = (list: readonly number[] | undefined): void => {
      if (list === undefined || list.length === 0) return;
      sources++;
      for (const at of list) found.push(at);
    };
    add(this.#exact.get(path));
    for (const length of this.#prefixLengths) if (length <= path.length) add(this.#prefixes.get(path.slice(0, length)));
    add(this.#always);
    return sources > 1 ? found.sort((a, b) => a - b) : found;
  }
}

function put(map: Map<string, number[]>, key: string, at: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [at]);
  else list.push(at);
}

export class RouteTable {
  readonly config: RouteTableConfig;
  readonly #exact = new Map<string, VirtualHost>();
  /** `[suffix or prefix, virtual host]`, longest first. */
  readonly #suffixes: Array<readonly [string, VirtualHost]> = [];
  readonly #prefixes: Array<readonly [string, VirtualHost]> = [];
  #any: VirtualHost | null = null;

  constructor(config: RouteTableConfig) {
    this.config = config;
    for (const virtualHostConfig of config.virtualHosts) {
      const virtualHost = new VirtualHost(virtualHostConfig, config);
      for (const domain of virtualHostConfig.domains) this.#addDomain(domain.toLowerCase(), virtualHost);
    }
    const longestFirst = (a: readonly [string, VirtualHost], b: readonly [string, VirtualHost]): number => b[0].length - a[0].length;
    this.#suffixes.sort(longestFirst);
    this.#prefixes.sort(longestFirst);
  }

  /** The virtual host for an authority, or null. */
  virtualHost(authority: string): VirtualHost | null {
    let host = authority.toLowerCase();
    if (this.config.ignorePortInHost) host = host.replace(/:\d*$/, '');
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    // A wildcard stands for at least one character (Envoy).
    for (const [suffix, virtualHost] of this.#suffixes) if (host.length > suffix.length && host.endsWith(suffix)) return virtualHost;
    for (const [prefix, virtualHost] of this.#prefixes) if (host.length > prefix.length && host.startsWith(prefix)) return virtualHost;
    return this.#any;
  }

  route(head: RequestHead): RouteEntry | null {
    return this.virtualHost(head.authority)?.route(head) ?? null;
  }

  #addDomain(domain: string, virtualHost: VirtualHost): void {
    if (domain === '*') this.#any = virtualHost;
    else if (domain.startsWith('*')) this.#suffixes.push([domain.slice(1), virtualHost]);
    else if (domain.endsWith('*')) this.#prefixes.push([domain.slice(0, -1), virtualHost]);
    else this.#exact.set(domain, virtualHost);
  }
}
