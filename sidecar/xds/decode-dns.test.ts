import { describe, expect, it } from 'vitest';
import { ListenerSchema } from './api/envoy/config/listener/v3/listener_pb.js';
import { decodeListener } from './decode-listener.ts';
import { decodeJson } from './test/decode-json.ts';

type Fields = Readonly<Record<string, unknown>>;

const type = (name: string): Fields => ({ '@type': `type.googleapis.com/${name}` });
const filterPath = 'listener_filters[0].typed_config';
const tablePath = `${filterPath}.server_config.inline_dns_table`;

const domain = (fields: Fields = {}): Fields => ({
  name: 'orders.shop',
  endpoint: { address_list: { address: ['240.240.3.7', '2001:2::f0f0:307'] } },
  ...fields,
});
const filter = (fields: Fields = {}): Fields => ({
  name: 'envoy.filters.udp.dns_filter',
  typed_config: {
    ...type('envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig'),
    stat_prefix: 'dns',
    server_config: { inline_dns_table: { virtual_domains: [domain()] } },
    ...fields,
  },
});
const table = (fields: Fields): Fields => filter({ server_config: { inline_dns_table: fields } });
const client = (fields: Fields): Fields => filter({ client_config: fields });
const address = (host: string, port: number, protocol = 'UDP'): Fields => ({
  socket_address: { protocol, address: host, port_value: port },
});

function listener(fields: Fields = {}) {
  const json = { name: 'dns', address: address('127.0.0.1', 15053), listener_filters: [filter()], ...fields };
  return decodeJson(ListenerSchema, JSON.parse(JSON.stringify(json)), decodeListener);
}

describe('a listener of UDP', () => {
  it('is taken with dns_filter: its table, and Envoy’s defaults', () => {
    const { value, faults } = listener({ udp_listener_config: {} });
    expect(faults).toEqual([]);
    expect(value!.dns).toEqual({
      statPrefix: 'dns',
      domains: [{ name: 'orders.shop', addresses: ['240.240.3.7', '2001:2::f0f0:307'], ttlSeconds: 300 }],
      upstream: null,
    });
    expect(value!.filterChains).toEqual([]);
  });

  it('takes resolvers, time limits and how many may wait', () => {
    const { value, faults } = listener({
      listener_filters: [
        client({
          resolver_timeout: '2s',
          max_pending_lookups: 10,
          dns_resolution_config: {
            resolvers: [address('10.0.0.53', 0), address('fd00::53', 5353, 'TCP')],
            dns_resolver_options: { use_tcp_for_dns_lookups: true, no_default_search_domain: true },
          },
        }),
      ],
    });
    expect(faults).toEqual([]);
    expect(value!.dns!.upstream).toEqual({
      resolvers: [
        { host: '10.0.0.53', port: 53 },
        { host: 'fd00::53', port: 5353 },
      ],
      tcpOnly: true,
      timeoutMs: 2000,
      retries: 0,
      maxPending: 10,
    });
    expect(listener({ listener_filters: [client({})] }).value!.dns!.upstream).toMatchObject({
      resolvers: null,
      timeoutMs: 5000,
      maxPending: 256,
    });
  });

  it.each<[string, Fields, string]>([
    ['no filter', { listener_filters: [] }, 'listener_filters: a listener of UDP needs exactly one'],
    [
      'a filter for TCP',
      {
        listener_filters: [
          { name: 'tls', typed_config: type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') },
        ],
      },
      `${filterPath}: envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector is not a filter for UDP`,
    ],
    ['filter chains', { filter_chains: [{}] }, 'filter_chains: a listener of UDP has none'],
    ['transparent', { transparent: true }, 'transparent: is not supported of a listener of UDP'],
    ['QUIC', { udp_listener_config: { quic_options: {} } }, 'udp_listener_config.quic_options: is not supported'],
    [
      'an address of TCP beside it',
      { additional_addresses: [{ address: address('::1', 15053, 'TCP') }] },
      'additional_addresses[0].address.socket_address.protocol: must be UDP',
    ],
    ['no stat_prefix', { listener_filters: [filter({ stat_prefix: '' })] }, `${filterPath}.stat_prefix: is missing`],
    [
      'a table in a file',
      { listener_filters: [filter({ server_config: { external_dns_table: { filename: '/x' } } })] },
      `${filterPath}.server_config.external_dns_table: is not supported`,
    ],
    [
      'a name twice',
      { listener_filters: [table({ virtual_domains: [domain(), domain({ name: 'Orders.Shop.' })] })] },
      `${tablePath}.virtual_domains[1].name: "Orders.Shop." is there twice`,
    ],
    [
      'a name that is none',
      { listener_filters: [table({ virtual_domains: [domain({ name: 'a..b' })] })] },
      `${tablePath}.virtual_domains[0].name: is not a name`,
    ],
    [
      'addresses of a cluster',
      { listener_filters: [table({ virtual_domains: [domain({ endpoint: { cluster_name: 'c' } })] })] },
      `${tablePath}.virtual_domains[0].endpoint.cluster_name: is not supported`,
    ],
    [
      'what is no address',
      {
        listener_filters: [table({ virtual_domains: [domain({ endpoint: { address_list: { address: ['here'] } } })] })],
      },
      `${tablePath}.virtual_domains[0].endpoint.address_list.address[0]: "here" is not an IP address`,
    ],
    [
      'a short time to live',
      { listener_filters: [table({ virtual_domains: [domain({ answer_ttl: '5s' })] })] },
      `${tablePath}.virtual_domains[0].answer_ttl: 5 s is not between 30 s`,
    ],
    [
      'too many tries',
      {
        listener_filters: [
          filter({ client_config: {}, server_config: { inline_dns_table: { external_retry_count: 4 } } }),
        ],
      },
      `${tablePath}.external_retry_count: 4 is above 3`,
    ],
    [
      'a short time limit',
      { listener_filters: [client({ resolver_timeout: '0.5s' })] },
      `${filterPath}.client_config.resolver_timeout: 500 ms is below 1 s`,
    ],
    [
      'another resolver library',
      { listener_filters: [client({ typed_dns_resolver_config: { name: 'x' } })] },
      `${filterPath}.client_config.typed_dns_resolver_config: is not supported`,
    ],
  ])('is refused with %s', (_, fields, expected) => {
    expect(listener(fields).faults.join('\n')).toContain(expected);
  });

  it('is not what a listener of TCP is', () => {
    const tcp = { address: address('127.0.0.1', 15053, 'TCP') };
    expect(listener(tcp).faults.join('\n')).toContain('DnsFilterConfig is not a listener filter');
  });
});
