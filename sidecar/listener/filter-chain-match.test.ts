import { describe, expect, it } from 'vitest';
import type { FilterChainConfig } from '../config/listener-config.ts';
import { type ConnectionFacts, FilterChainMatcher, overlappingChain } from './filter-chain-match.ts';
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

  it('prefers the longest range that has the destination (Envoy: prefix_ranges), also of IPv6', () => {
    const range = (address: string, prefixBits: number) => ({ prefixRanges: [{ address, prefixBits }] });
    const chains = [
      chainConfig('any'),
      chainConfig('wide', range('10.0.0.0', 8)),
      chainConfig('narrow', range('10.1.0.0', 16)),
      chainConfig('one', range('10.1.2.3', 32)),
      chainConfig('six', range('fd00:1::', 32)),
    ];
    const to = (destinationAddress: string): string | null => find(chains, { destinationAddress });
    expect(['10.1.2.3', '10.1.2.4', '10.2.0.1', '192.0.2.1'].map(to)).toEqual(['one', 'narrow', 'wide', 'any']);
    expect(['fd00:1::7', 'fd00:2::7'].map(to)).toEqual(['six', 'any']);
  });

  it('a port that is named hides ranges of chains without it, and an address that is named hides chains without one (Envoy)', () => {
    const chains = [
      chainConfig('range', { prefixRanges: [{ address: '10.0.0.0', prefixBits: 8 }] }),
      chainConfig('port', { destinationPort: 443, prefixRanges: [{ address: '192.0.2.0', prefixBits: 24 }] }),
    ];
    expect(find(chains, { destinationPort: 443, destinationAddress: '10.0.0.1' })).toBeNull();
    expect(find(chains, { destinationPort: 80, destinationAddress: '10.0.0.1' })).toBe('range');
  });

  it('tells callers of this machine from others, then by their address and port (Envoy)', () => {
    const chains = [
      chainConfig('any'),
      chainConfig('local', { sourceType: 'local' }),
      chainConfig('external', { sourceType: 'external' }),
      chainConfig('net', { sourceType: 'external', sourceRanges: [{ address: '10.0.0.0', prefixBits: 8 }] }),
      chainConfig('port', {
        sourceType: 'external',
        sourceRanges: [{ address: '10.0.0.0', prefixBits: 8 }],
        sourcePorts: [7777],
      }),
    ];
    const from = (sourceAddress: string, sourcePort = 1): string | null =>
      find(chains, { sourceAddress, sourcePort, destinationAddress: '192.0.2.9' });
    expect(from('127.0.0.1')).toBe('local');
    expect(from('::1')).toBe('local');
    expect(from('192.0.2.9')).toBe('local');
    expect(from('192.0.2.8')).toBe('external');
    expect(from('10.9.9.9')).toBe('net');
    expect(from('10.9.9.9', 7777)).toBe('port');
  });

  it('goes by the directly connected address before the source type', () => {
    const chains = [
      chainConfig('any'),
      chainConfig('direct', { directSourceRanges: [{ address: '127.0.0.0', prefixBits: 8 }] }),
    ];
    expect(find(chains, { sourceAddress: '127.0.0.1' })).toBe('direct');
    expect(find(chains, { sourceAddress: '192.0.2.1' })).toBe('any');
  });

  it('finds the first chain that overlaps with one before it', () => {
    const a = chainConfig('a', { serverNames: ['a.test', 'b.test', 'a.test'] });
    expect(overlappingChain([a, chainConfig('b', { serverNames: ['c.test'] })])).toBeNull();
    expect(overlappingChain([a, chainConfig('b', { serverNames: ['b.test'] })])).toBe(1);
    expect(
      overlappingChain([
        a,
        chainConfig('b', { serverNames: ['b.test'], sourceType: 'local' }),
        chainConfig('c', { serverNames: ['b.test'], sourcePorts: [1] }),
      ]),
    ).toBeNull();
  });

  it('knows for which destinations first bytes make a difference, and which', () => {
    const matcher = new FilterChainMatcher(
      [
        chainConfig('db', { destinationPort: 5432 }),
        chainConfig('tls', { destinationPort: 443, transportProtocol: 'tls' }),
        chainConfig('web', { destinationPort: 80, applicationProtocols: ['http/1.1', 'h2c'] }),
        chainConfig('web-tcp', { destinationPort: 80 }),
      ],
      chainConfig('rest'),
    );
    expect([5432, 443, 80, 25].map((port) => matcher.needs(port, '10.0.0.1'))).toEqual([
      'none',
      'tls',
      'tls-and-http',
      'none',
    ]);
  });

  it('knows whether first bytes make a difference', () => {
    expect(new FilterChainMatcher([chainConfig('a'), chainConfig('b', { destinationPort: 1 })], null).looksAtTls).toBe(
      false,
    );
    expect(new FilterChainMatcher([chainConfig('a', { serverNames: ['x'] })], null).looksAtTls).toBe(true);
  });
});
