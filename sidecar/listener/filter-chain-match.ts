/**
 * Which filter chain a connection gets: Envoy's rule, step by step:
 *
 *   destination port ─▶ destination address ─▶ server name ─▶ transport protocol ─▶ application protocol
 *     ─▶ directly connected source address ─▶ source type ─▶ source address ─▶ source port
 *
 * At each step the most specific value that some chain has is taken, and only chains with it are looked at further: there is no going back to a less specific one.
 */
import type { FilterChainConfig, FilterChainMatch } from '../config/listener-config.ts';
import type { AddressRangeConfig } from '../config/rbac-config.ts';
import { AddressTable } from './address-table.ts';

/** What is known of a connection when a chain is chosen. */
export interface ConnectionFacts {
  /** Port that the client connected to. */
  readonly destinationPort: number;
  /** IP address that the client connected to; absent: not known. */
  readonly destinationAddress?: string;
  /** Lower case; '' when unknown. */
  readonly serverName: string;
  readonly transportProtocol: 'raw_buffer' | 'tls';
  /** ALPN of the client, its favourite first; of plaintext what it was found to be. */
  readonly applicationProtocols: readonly string[];
  /** The client's; absent: not known. */
  readonly sourceAddress?: string;
  readonly sourcePort?: number;
}

/** What of the first bytes makes a difference for a destination. */
export type NeededInspection = 'none' | 'tls' | 'tls-and-http';

type ByProtocol = Map<string, FilterChainConfig | SourceMatch>;
type ByTransport = Map<string, ByProtocol>;
type ByServerName = Map<string, ByTransport>;

class Destination {
  readonly byServerName: ByServerName = new Map();
  needs: NeededInspection = 'none';
}

const plaintextProtocols: ReadonlySet<string> = new Set(['http/1.0', 'http/1.1', 'h2c']);

export class FilterChainMatcher {
  readonly #byPort = new Map<number | null, AddressTable<Destination>>();
  readonly #default: FilterChainConfig | null;
  /** Whether the first bytes of a connection make a difference for some destination. */
  readonly looksAtTls: boolean;
  /** Whether addresses make a difference. */
  readonly looksAtAddresses: boolean;
  /** The first chain that another one with the same match comes before; null: there is none. */
  overlapping: FilterChainConfig | null = null;

  /** Of two chains with the same match the first counts. */
  constructor(chains: readonly FilterChainConfig[], defaultChain: FilterChainConfig | null) {
    this.#default = defaultChain;
    this.looksAtTls = chains.some(({ match }) => neededBy(match) !== 'none');
    this.looksAtAddresses = chains.some(
      ({ match }) => looksAtSource(match) || (match.prefixRanges !== undefined && match.prefixRanges.length > 0),
    );
    for (const chain of chains) this.#add(chain);
  }

  #add(chain: FilterChainConfig): void {
    const { match } = chain;
    const { destinationPort, serverNames, transportProtocol, applicationProtocols } = match;
    const addresses = getOrAdd(this.#byPort, destinationPort, () => new AddressTable<Destination>());
    const needs = neededBy(match);
    for (const range of orAny(match.prefixRanges)) {
      const destination = addresses.getOrAdd(range, () => new Destination());
      if (needs === 'tls-and-http' || destination.needs === 'none') destination.needs = needs;
      for (const name of serverNames.length === 0 ? [''] : serverNames) {
        const transports = getOrAdd(destination.byServerName, nameKey(name), () => new Map() as ByTransport);
        const protocols = getOrAdd(transports, transportProtocol, () => new Map() as ByProtocol);
        for (const protocol of applicationProtocols.length === 0 ? [''] : applicationProtocols)
          this.#addTo(protocols, protocol, chain);
      }
    }
  }

  #addTo(protocols: ByProtocol, protocol: string, chain: FilterChainConfig): void {
    const there = protocols.get(protocol);
    // It names the same twice.
    if (there === chain) return;
    if (there === undefined && !looksAtSource(chain.match)) {
      protocols.set(protocol, chain);
      return;
    }
    let sources = there;
    if (!(sources instanceof SourceMatch)) {
      sources = new SourceMatch();
      if (there !== undefined) sources.add(there as FilterChainConfig);
      protocols.set(protocol, sources);
    }
    if (!sources.add(chain)) this.overlapping ??= chain;
  }

  /** What has to be known of the first bytes of a connection to there. */
  needs(destinationPort: number, destinationAddress: string): NeededInspection {
    return this.#destination(destinationPort, destinationAddress)?.needs ?? 'none';
  }

  #destination(port: number, address: string): Destination | undefined {
    // A port that some chain names is looked at no further than by those (Envoy).
    return (this.#byPort.get(port) ?? this.#byPort.get(null))?.find(address);
  }

  /** The chain, or the default one, or null: the connection is closed. */
  find(facts: ConnectionFacts): FilterChainConfig | null {
    const names = this.#destination(facts.destinationPort, facts.destinationAddress ?? '')?.byServerName;
    const transports = names === undefined ? undefined : findName(names, facts.serverName);
    const protocols = transports?.get(facts.transportProtocol) ?? transports?.get('');
    if (protocols === undefined) return this.#default;
    const found = findProtocol(protocols, facts.applicationProtocols);
    const chain = found instanceof SourceMatch ? found.find(facts) : found;
    return chain ?? this.#default;
  }
}

/** The steps behind the application protocol. */
class SourceMatch {
  readonly #direct = new AddressTable<SourceTypes>();

  /** False: another chain is there already. */
  add(chain: FilterChainConfig): boolean {
    const { directSourceRanges, sourceType = 'any', sourceRanges, sourcePorts } = chain.match;
    let added = true;
    for (const direct of orAny(directSourceRanges)) {
      const types = this.#direct.getOrAdd(direct, () => ({ any: null, local: null, external: null }));
      const addresses = (types[sourceType] ??= new AddressTable());
      for (const range of orAny(sourceRanges)) {
        const ports = addresses.getOrAdd(range, () => new Map());
        for (const port of sourcePorts === undefined || sourcePorts.length === 0 ? [0] : sourcePorts) {
          const there = ports.get(port);
          if (there === undefined) ports.set(port, chain);
          else if (there !== chain) added = false;
        }
      }
    }
    return added;
  }

  find({ sourceAddress = '', sourcePort = 0, destinationAddress = '' }: ConnectionFacts): FilterChainConfig | null {
    const types = this.#direct.find(sourceAddress);
    if (types === undefined) return null;
    const own = isLocal(sourceAddress, destinationAddress) ? types.local : types.external;
    const ports = (own ?? types.any)?.find(sourceAddress);
    return ports?.get(sourcePort) ?? ports?.get(0) ?? null;
  }
}

type SourceTypes = Record<'any' | 'local' | 'external', AddressTable<Map<number, FilterChainConfig>> | null>;

/** From this machine: by loopback, or from the address that was connected to. */
function isLocal(source: string, destination: string): boolean {
  return source.startsWith('127.') || source === '::1' || source === destination;
}

function looksAtSource({ directSourceRanges, sourceType, sourceRanges, sourcePorts }: FilterChainMatch): boolean {
  const any = (list: readonly unknown[] | undefined): boolean => list !== undefined && list.length > 0;
  return any(directSourceRanges) || (sourceType ?? 'any') !== 'any' || any(sourceRanges) || any(sourcePorts);
}

function neededBy({ serverNames, transportProtocol, applicationProtocols }: FilterChainMatch): NeededInspection {
  if (transportProtocol !== 'tls' && applicationProtocols.some((each) => plaintextProtocols.has(each)))
    return 'tls-and-http';
  return serverNames.length > 0 || transportProtocol !== '' || applicationProtocols.length > 0 ? 'tls' : 'none';
}

function orAny(ranges: readonly AddressRangeConfig[] | undefined): ReadonlyArray<AddressRangeConfig | null> {
  return ranges === undefined || ranges.length === 0 ? [null] : ranges;
}

function findProtocol(
  protocols: ByProtocol,
  applicationProtocols: readonly string[],
): FilterChainConfig | SourceMatch | undefined {
  for (const protocol of applicationProtocols) {
    const found = protocols.get(protocol);
    if (found !== undefined) return found;
  }
  return protocols.get('');
}

/** The index of the first chain whose match another one before it has too, or overlaps with; null: there is none (Envoy refuses such listeners). */
export function overlappingChain(chains: readonly FilterChainConfig[]): number | null {
  const { overlapping } = new FilterChainMatcher(chains, null);
  return overlapping === null ? null : chains.indexOf(overlapping);
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
