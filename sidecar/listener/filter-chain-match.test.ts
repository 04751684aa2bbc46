import { describe, expect, it } from 'vitest';
import type { FilterChainConfig } from '../config/listener-config.ts';
import { type ConnectionFacts, FilterChainMatcher } from './filter-chain-match.ts';
import { chainConfig } from './test/listener-config.ts';

const facts = (more: Partial<ConnectionFacts> = {}): ConnectionFacts => ({
  destinationPort: 80,
  serverName: '',
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
  ...more,
});

function find(
  chains: readonly FilterChainConfig[],
  more: Partial<ConnectionFacts> = {},
  byDefault: FilterChainConfig | null = null,
): string | null {
  return new FilterChainMatcher(chains, byDefault).find(facts(more))?.name ?? null;
}

describe('FilterChainMatcher', () => {
  it('takes the only chain for anything', () => {
    expect(find([chainConfig('only')])).toBe('only');
  });

  it('falls back on the default chain, and finds nothing without one', () => {
    const chains = [chainConfig('port', { destinationPort: 443 })];
    expect(find(chains, {}, chainConfig('default'))).toBe('default');
    expect(find(chains)).toBeNull();
  });

  it('prefers the port that is named', () => {
    const chains = [chainConfig('any'), chainConfig('port', { destinationPort: 443 })];
    expect(find(chains, { destinationPort: 443 })).toBe('port');
    expect(find(chains, { destinationPort: 80 })).toBe('any');
  });

  it('prefers the exact server name, then the longest suffix, then any', () => {
    const chains = [
      chainConfig('any'),
      chainConfig('suffix', { serverNames: ['*.shop'] }),
      chainConfig('longer', { serverNames: ['*.eu.shop'] }),
      chainConfig('exact', { serverNames: ['Orders.eu.shop'] }),
    ];
    const tls = { transportProtocol: 'tls' } as const;
    expect(find(chains, { ...tls, serverName: 'orders.eu.shop' })).toBe('exact');
    expect(find(chains, { ...tls, serverName: 'payments.eu.shop' })).toBe('longer');
    expect(find(chains, { ...tls, serverName: 'a.b.shop' })).toBe('suffix');
    expect(find(chains, { ...tls, serverName: 'shop' })).toBe('any');
    expect(find(chains, { ...tls, serverName: '' })).toBe('any');
  });

  it('tells plaintext from TLS (permissive mTLS)', () => {
    const chains = [
      chainConfig('tls', { transportProtocol: 'tls' }),
      chainConfig('plain', { transportProtocol: 'raw_buffer' }),
    ];
    expect(find(chains, { transportProtocol: 'tls' })).toBe('tls');
    expect(find(chains)).toBe('plain');
  });

  it("goes by the client's order of ALPN protocols", () => {
    const chains = [
      chainConfig('h1', { applicationProtocols: ['http/1.1'] }),
      chainConfig('h2', { applicationProtocols: ['h2'] }),
      chainConfig('any'),
    ];
    const tls = { transportProtocol: 'tls' } as const;
    expect(find(chains, { ...tls, applicationProtocols: ['istio', 'h2', 'http/1.1'] })).toBe('h2');
    expect(find(chains, { ...tls, applicationProtocols: ['spdy'] })).toBe('any');
  });

  it('does not go back: a more specific port hides chains for other ports, even when nothing below it matches (Envoy)', () => {
    const chains = [chainConfig('port', { destinationPort: 80, transportProtocol: 'tls' }), chainConfig('any')];
    expect(find(chains)).toBeNull();
  });

  it('knows whether first bytes make a difference', () => {
    expect(new FilterChainMatcher([chainConfig('a'), chainConfig('b', { destinationPort: 1 })], null).looksAtTls).toBe(
      false,
    );
    expect(new FilterChainMatcher([chainConfig('a', { serverNames: ['x'] })], null).looksAtTls).toBe(true);
  });
});
