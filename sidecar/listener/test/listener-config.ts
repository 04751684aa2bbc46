/** Configurations of listeners for tests. */
import type { Configuration } from '../../config/configuration.ts';
import type {
  FilterChainConfig,
  FilterChainMatch,
  HttpConnectionManagerConfig,
  ListenerConfig,
} from '../../config/listener-config.ts';

export function chainConfig(
  name: string,
  match: Partial<FilterChainMatch> = {},
  more: Partial<FilterChainConfig> = {},
): FilterChainConfig {
  return {
    name,
    match: { destinationPort: null, serverNames: [], transportProtocol: '', applicationProtocols: [], ...match },
    tls: null,
    // Scripted connection managers do not look at it.
    httpConnectionManager: { statPrefix: name } as HttpConnectionManagerConfig,
    handshakeTimeoutMs: 5_000,
    ...more,
  };
}

export function listenerConfig(name: string, port: number, more: Partial<ListenerConfig> = {}): ListenerConfig {
  return {
    name,
    address: { host: '127.0.0.1', port },
    direction: 'inbound',
    filterChains: [chainConfig(`${name}-chain`)],
    defaultFilterChain: null,
    bufferLimitBytes: 1 << 20,
    inspectTls: false,
    listenerFiltersTimeoutMs: 5_000,
    ...more,
  };
}

export function configuration(...listeners: readonly ListenerConfig[]): Configuration {
  const origin = { version: '1', origin: 'dynamic', updatedWallMs: 0, raw: new Uint8Array() } as const;
  return {
    listeners: new Map(listeners.map((value) => [value.name, { ...origin, value }])),
    clusters: new Map(),
    routeTables: new Map(),
    assignments: new Map(),
  };
}
