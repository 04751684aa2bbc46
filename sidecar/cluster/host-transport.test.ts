import { describe, expect, it } from 'vitest';
import type { ClusterConfig, EndpointConfig } from '../config/cluster-config.ts';
import type { TlsClientConfig } from '../config/tls-config.ts';
import { HostTransports } from './host-transport.ts';

const tls = (serverName: string): TlsClientConfig => ({
  certificates: [],
  trustedCaPem: null,
  subjectAltNames: [],
  alpn: [],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  serverName,
});

const endpoint = (transportMatch?: Readonly<Record<string, string>>): EndpointConfig => ({
  address: { host: '127.0.0.1', port: 1 },
  weight: 1,
  health: 'healthy',
  hostname: '',
  metadata: {},
  ...(transportMatch === undefined ? {} : { transportMatch }),
});

function chosen(config: Partial<ClusterConfig>, host: EndpointConfig): string | null {
  return new HostTransports({ tls: null, ...config } as ClusterConfig, null).of(host).tls?.config.serverName ?? null;
}

const matches: ClusterConfig['transportMatches'] = [
  { name: 'mtls', match: { outrigger: '"mtls"' }, tls: tls('mtls') },
  { name: 'both', match: { outrigger: '"mtls"', zone: '1' }, tls: tls('both') },
  { name: 'plaintext', match: {}, tls: null },
];

describe('how a host is connected to (Envoy: transport_socket_matches)', () => {
  it('the first match wins, in the order of the configuration', () => {
    expect(chosen({ transportMatches: matches }, endpoint({ outrigger: '"mtls"', zone: '1' }))).toBe('mtls');
    expect(chosen({ transportMatches: matches.toReversed() }, endpoint({ outrigger: '"mtls"' }))).toBeNull();
  });

  it('every key must be there with its value; an empty match takes every host', () => {
    expect(chosen({ transportMatches: matches }, endpoint({ outrigger: '"off"' }))).toBeNull();
    expect(chosen({ transportMatches: [matches[1]!] }, endpoint({ outrigger: '"mtls"' }))).toBeNull();
    expect(chosen({ transportMatches: [matches[1]!] }, endpoint({ outrigger: '"mtls"', zone: '1' }))).toBe('both');
    expect(chosen({ transportMatches: [matches[1]!] }, endpoint({ outrigger: '"mtls"', zone: '"1"' }))).toBeNull();
  });

  it('a host that nothing matches takes the transport_socket of the cluster', () => {
    expect(chosen({ tls: tls('usual'), transportMatches: [matches[0]!] }, endpoint())).toBe('usual');
    expect(chosen({ tls: tls('usual') }, endpoint({ outrigger: '"mtls"' }))).toBe('usual');
  });

  it('metadata has no prototype: a key that every object has matches nothing', () => {
    const { match } = { match: { constructor: '"x"' } as unknown as Readonly<Record<string, string>> };
    expect(chosen({ transportMatches: [{ name: 'x', match, tls: tls('x') }] }, endpoint())).toBeNull();
  });

  it('hosts of one kind share one object, and with it contexts and sessions', () => {
    const transports = new HostTransports({ tls: null, transportMatches: matches } as ClusterConfig, null);
    expect(transports.of(endpoint({ outrigger: '"mtls"' }))).toBe(transports.of(endpoint({ outrigger: '"mtls"' })));
    expect(transports.uniform).toBe(false);
    expect(new HostTransports({ tls: null } as ClusterConfig, null).uniform).toBe(true);
  });
});
