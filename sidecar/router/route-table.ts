/**
 * A route configuration, compiled: which virtual host answers to a host name, and which of its routes takes a request. Envoy's precedence: exact domain, then the longest
 * suffix wildcard, then the longest prefix wildcard, then `*`; the first route that matches.
 */
import type { BreakerRegistry } from '../circuit-breaker/breaker-registry.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../config/route-config.ts';
import { HeaderMutation } from './header-mutation.ts';
import { RouteEntry } from './route-entry.ts';
import { RouteIndex } from './route-index.ts';

/** Below this many routes, trying them in order is faster than looking them up. */
const indexFrom = 8;

export class VirtualHost {
  readonly name: string;
  readonly #routes: readonly RouteEntry[];
  readonly #index: RouteIndex | null;

  constructor(config: VirtualHostConfig, table: RouteTableConfig, breakers: BreakerRegistry | null) {
    this.name = config.name;
    const request = compact(
      HeaderMutation.compile(config.requestHeaders),
      HeaderMutation.compile(table.requestHeaders),
    );
    const response = compact(
      HeaderMutation.compile(config.responseHeaders),
      HeaderMutation.compile(table.responseHeaders),
    );
    this.#routes = config.routes.map(
      (route) => new RouteEntry(route, config.name, request, response, breakers?.forRoute(config.name, route) ?? null),
    );
    this.#index = config.routes.length >= indexFrom ? new RouteIndex(this.#routes) : null;
  }

  route(head: RequestHead): RouteEntry | null {
    const query = head.path.indexOf('?');
    const path = query < 0 ? head.path : head.path.slice(0, query);
    if (this.#index !== null) return this.#index.find(head, path);
    const routes = this.#routes;
    for (let i = 0; i < routes.length; i++) if (routes[i]!.matches(head, path)) return routes[i]!;
    return null;
  }
}

function compact(...mutations: Array<HeaderMutation | null>): readonly HeaderMutation[] {
  return mutations.filter((mutation) => mutation !== null);
}

export class RouteTable {
  readonly config: RouteTableConfig;
  readonly #ignorePort: boolean;
  readonly #exact = new Map<string, VirtualHost>();
  readonly #suffixes = new WildcardDomains();
  readonly #prefixes = new WildcardDomains();
  #any: VirtualHost | null = null;
  /** Callers of a connection ask for few hosts: the one asked for last is found without hashing. */
  #lastAuthority: string | null = null;
  #lastHost: VirtualHost | null = null;

  /** `breakers`: where circuit breakers of routes live; null: routes have none. */
  constructor(config: RouteTableConfig, breakers: BreakerRegistry | null = null) {
    this.config = config;
    this.#ignorePort = config.ignorePortInHost;
    for (const virtualHostConfig of config.virtualHosts) {
      const virtualHost = new VirtualHost(virtualHostConfig, config, breakers);
      for (const domain of virtualHostConfig.domains) this.#addDomain(domain.toLowerCase(), virtualHost);
    }
  }

  /** The virtual host for an authority, or null. Case does not matter; the port does, unless the table ignores it. */
  virtualHost(authority: string): VirtualHost | null {
    if (authority === this.#lastAuthority) return this.#lastHost;
    const found = this.#find(authority);
    this.#lastAuthority = authority;
    this.#lastHost = found;
    return found;
  }

  route(head: RequestHead): RouteEntry | null {
    const virtualHost = this.virtualHost(head.authority);
    return virtualHost === null ? null : virtualHost.route(head);
  }

  #find(authority: string): VirtualHost | null {
    let host = authority.toLowerCase();
    if (this.#ignorePort) host = host.replace(/:\d*$/, '');
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    return this.#suffixes.find(host, true) ?? this.#prefixes.find(host, false) ?? this.#any;
  }

  #addDomain(domain: string, virtualHost: VirtualHost): void {
    if (domain === '*') this.#any = virtualHost;
    else if (domain.startsWith('*')) this.#suffixes.add(domain.slice(1), virtualHost);
    else if (domain.endsWith('*')) this.#prefixes.add(domain.slice(0, -1), virtualHost);
    else this.#exact.set(domain, virtualHost);
  }
}

/** Domains with a `*` at one end, by what is fixed of them, longest first. */
class WildcardDomains {
  readonly #byText = new Map<string, VirtualHost>();
  #lengths: number[] = [];

  add(text: string, virtualHost: VirtualHost): void {
    this.#byText.set(text, virtualHost);
    if (!this.#lengths.includes(text.length)) this.#lengths = [...this.#lengths, text.length].toSorted((a, b) => b - a);
  }

  find(host: string, atEnd: boolean): VirtualHost | null {
    for (const length of this.#lengths) {
      // A wildcard stands for at least one character (Envoy).
      if (length >= host.length) continue;
      const found = this.#byText.get(atEnd ? host.slice(host.length - length) : host.slice(0, length));
      if (found !== undefined) return found;
    }
    return null;
  }
}
