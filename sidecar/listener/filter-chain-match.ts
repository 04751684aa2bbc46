/**
 * Which filter chain a connection gets: Envoy's rule, step by step: destination port, server name, transport protocol, application protocol. At each step the
 * most specific value that some chain has is taken, and only chains with it are looked at further: there is no going back to a less specific one.
 */
import type { FilterChainConfig } from '../config/listener-config.ts';

/** What is known of a connection when a chain is chosen. */
export interface ConnectionFacts {
  /** Port that the client connected to. */
  readonly destinationPort: number;
  /** Lower case; '' when unknown. */
  readonly serverName: string;
  readonly transportProtocol: 'raw_buffer' | 'tls';
  /** ALPN of the client, its favourite first. */
  readonly applicationProtocols: readonly string[];
}

type ByProtocol = Map<string, FilterChainConfig>;
type ByTransport = Map<string, ByProtocol>;
type ByServerName = Map<string, ByTransport>;

export class FilterChainMatcher {
  readonly #byPort = new Map<number | null, ByServerName>();
  readonly #default: FilterChainConfig | null;
  /** Whether the first bytes of a connection make a difference. */
  readonly looksAtTls: boolean;

  /** Of two chains with the same match the first counts. */
  constructor(chains: readonly FilterChainConfig[], defaultChain: FilterChainConfig | null) {
    this.#default = defaultChain;
    this.looksAtTls = chains.some(
      ({ match }) =>
        match.serverNames.length > 0 || match.transportProtocol !== '' || match.applicationProtocols.length > 0,
    );
    for (const chain of chains) {
      const { destinationPort, serverNames, transportProtocol, applicationProtocols } = chain.match;
      const names = getOrAdd(this.#byPort, destinationPort, () => new Map() as ByServerName);
      for (const name of serverNames.length === 0 ? [''] : serverNames) {
        const transports = getOrAdd(names, nameKey(name), () => new Map() as ByTransport);
        const protocols = getOrAdd(transports, transportProtocol, () => new Map() as ByProtocol);
        for (const protocol of applicationProtocols.length === 0 ? [''] : applicationProtocols)
          getOrAdd(protocols, protocol, () => chain);
      }
    }
  }

  /** The chain, or the default one, or null: the connection is closed. */
  find(facts: ConnectionFacts): FilterChainConfig | null {
    const names = this.#byPort.get(facts.destinationPort) ?? this.#byPort.get(null);
    const transports = names === undefined ? undefined : findName(names, facts.serverName);
    const protocols = transports?.get(facts.transportProtocol) ?? transports?.get('');
    if (protocols === undefined) return this.#default;
    for (const protocol of facts.applicationProtocols) {
      const chain = protocols.get(protocol);
      if (chain !== undefined) return chain;
    }
    return protocols.get('') ?? this.#default;
  }
}

/** `*.a.b` is kept as `.a.b`: no server name begins with a dot. */
function nameKey(name: string): string {
  const lower = name.toLowerCase();
  return lower === '*' ? '' : lower.startsWith('*.') ? lower.slice(1) : lower;
}

/** The exact name, the longest suffix, any. */
function findName(names: ByServerName, serverName: string): ByTransport | undefined {
  if (serverName === '') return names.get('');
  const exact = names.get(serverName);
  if (exact !== undefined) return exact;
  for (let dot = serverName.indexOf('.', 1); dot > 0; dot = serverName.indexOf('.', dot + 1)) {
    const suffix = names.get(serverName.slice(dot));
    if (suffix !== undefined) return suffix;
  }
  return names.get('');
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
