import { describe, expect, it } from 'vitest';
import { parseBootstrap } from './bootstrap-file.ts';

const listener = `
  - name: web
    address: { socket_address: { address: 127.0.0.1, port_value: 8080 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config:
            name: main
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: / }
                route: { cluster: orders, timeout: 2s }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;

const cluster = `
  - name: orders
    type: STATIC
    connect_timeout: 0.25s
    load_assignment:
      cluster_name: orders
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 9000 } } } }] }]
`;

const controlPlane = `
  - name: control-plane
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
    load_assignment:
      cluster_name: control-plane
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 15010 } } } }] }]
`;

const dynamic = `
node: { id: a, cluster: shop/orders }
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: control-plane } }]
  lds_config: { ads: {}, resource_api_version: V3 }
  cds_config: { ads: {}, resource_api_version: V3 }
`;

async function load(text: string) {
  const result = await parseBootstrap(text, 'envoy.yaml', 0);
  if (!result.ok) throw new Error(result.faults.join('\n'));
  return result.bootstrap;
}

async function faultsOf(text: string): Promise<readonly string[]> {
  const result = await parseBootstrap(text, 'envoy.yaml', 0);
  return result.ok ? [] : result.faults;
}

describe('a bootstrap file', () => {
  it('gives listeners and clusters in our own form', async () => {
    const { config } = await load(
      `admin: { address: { socket_address: { address: 127.0.0.1, port_value: 15000 } } }\nstatic_resources:\n  listeners:${listener}\n  clusters:${cluster}`,
    );
    expect(config.admin).toEqual({ host: '127.0.0.1', port: 15000 });
    const [web] = config.listeners;
    expect(web).toMatchObject({ name: 'web', address: { host: '127.0.0.1', port: 8080 }, defaultFilterChain: null });
    const { routes } = web!.filterChains[0]!.httpConnectionManager!;
    expect(routes).toMatchObject({
      kind: 'inline',
      table: { name: 'main', virtualHosts: [{ name: 'all', domains: ['*'] }] },
    });
    if (routes.kind === 'inline')
      expect(routes.table.virtualHosts[0]!.routes[0]!.action).toMatchObject({
        kind: 'forward',
        timeoutMs: 2_000,
        clusters: [{ name: 'orders' }],
      });
    expect(config.clusters[0]).toMatchObject({
      name: 'orders',
      connectTimeoutMs: 250,
      protocol: 'http1',
      discovery: { kind: 'static' },
    });
    expect(config.ads).toBeNull();
  });

  it('may be JSON, with names in lowerCamelCase', async () => {
    const { config } = await load(
      JSON.stringify({
        staticResources: {
          clusters: [
            { name: 'c', type: 'EDS', edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 'V3' } } },
            { name: 'x', type: 'STATIC', http2ProtocolOptions: {}, loadAssignment: { clusterName: 'x' } },
          ],
        },
        node: { id: 'a' },
        dynamicResources: {
          adsConfig: {
            apiType: 'GRPC',
            transportApiVersion: 'V3',
            grpcServices: [{ envoyGrpc: { clusterName: 'x' } }],
          },
        },
      }),
    );
    expect(config.clusters[0]!.discovery).toEqual({ kind: 'eds', serviceName: 'c' });
    expect(config.ads).toMatchObject({ variant: 'sotw', clusterName: 'x' });
    expect([config.listenersByAds, config.clustersByAds]).toEqual([false, false]);
  });

  it('takes ADS in the delta form from a static cluster that speaks HTTP/2', async () => {
    const { config } = await load(`${dynamic}static_resources:\n  clusters:${controlPlane}`);
    expect(config.ads).toMatchObject({ variant: 'delta', clusterName: 'control-plane' });
    expect([config.listenersByAds, config.clustersByAds]).toEqual([true, true]);
    expect(config.node).toMatchObject({ id: 'a', cluster: 'shop/orders' });
  });

  it('names every fault at once, each with its line, column and field path', async () => {
    const faults = await faultsOf(`static_resources:
  clusters:
  - name: orders
    type: STATIC
    connect_timeout: 2sec
    dns_refresh_rate: 5s
    lb_polizy: ROUND_ROBIN
    load_assignment: { cluster_name: orders, endpoints: [] }
  - name: payments
    type: STATICC
`);
    expect(faults).toEqual([
      'envoy.yaml:5:22: static_resources.clusters[0].connect_timeout: "2sec" is not a duration; write it as 2s or 0.25s',
      'envoy.yaml:6:23: static_resources.clusters[0].dns_refresh_rate: is not supported; see docs/xds-support.md',
      'envoy.yaml:7:16: static_resources.clusters[0].lb_polizy: there is no such field in envoy.config.cluster.v3.Cluster',
      expect.stringMatching(
        /^envoy\.yaml:10:11: static_resources\.clusters\[1\]\.type: "STATICC" is not one of STATIC, /,
      ),
    ]);
  });

  it('names what decoding finds beside what is unsupported or has the wrong type, but nothing that follows from it', async () => {
    const faults = await faultsOf(
      `${dynamic}static_resources:\n  listeners:${listener
        .replace('- name: web', '- name: web\n    api_listener: {}')
        .replace('["*"]', '["a.*.example"]')
        .replace(
          'timeout: 2s',
          'timeout: 2sec',
        )}\n  clusters:${cluster.replace('0.25s', '0s')}${controlPlane.replace(/typed_ext[^]*?load_ass/, 'dns_refresh_rate: 5s\n    load_ass')}`,
    );
    expect(faults.map((fault) => fault.replace(/^envoy.yaml:\d+:\d+: static_resources\./, ''))).toEqual([
      expect.stringMatching(/^listeners\[0\]\.api_listener: is not supported/),
      expect.stringMatching(/^listeners\[0\]\.filter_chains.*\.domains\[0\]: "a\.\*\.example"/),
      expect.stringMatching(/^listeners\[0\]\.filter_chains.*\.timeout: "2sec" is not a duration/),
      expect.stringMatching(/^clusters\[0\]\.connect_timeout: must be above 0/),
      expect.stringMatching(/^clusters\[1\]\.dns_refresh_rate: is not supported/),
    ]);
    const lua = listener.replace('filters.http.router.v3.Router }', 'filters.http.lua.v3.Lua }');
    expect(await faultsOf(`static_resources:\n  listeners:${lua}\n  clusters:${cluster}`)).toHaveLength(1);
  });

  it('names an unsupported HTTP filter by its path', async () => {
    const lua = listener.replace(
      'http_filters:\n',
      'http_filters:\n          - { name: envoy.filters.http.lua, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua } }\n',
    );
    const [fault] = await faultsOf(`static_resources:\n  listeners:${lua}\n  clusters:${cluster}`);
    expect(fault).toMatch(
      /^envoy\.yaml:\d+:\d+: static_resources\.listeners\[0\]\.filter_chains\[0\]\.filters\[0\]\.typed_config\.http_filters\[0\].*lua.* is not supported; see docs\/xds-support\.md$/i,
    );
  });

  it('refuses an unsupported field that is set to an empty message', async () => {
    expect(
      await faultsOf(
        `static_resources:\n  listeners:${listener.replace('- name: web', '- name: web\n    api_listener: {}')}\n  clusters:${cluster}`,
      ),
    ).toEqual([expect.stringContaining('static_resources.listeners[0].api_listener: is not supported')]);
  });

  it('takes ignored fields with all that is in them', async () => {
    const text = `
layered_runtime: { layers: [{ name: static, static_layer: { re2.max_program_size.error_level: 1000 } }] }
overload_manager: { refresh_interval: 0.25s, resource_monitors: [{ name: envoy.resource_monitors.fixed_heap }] }
cluster_manager: { outlier_detection: { event_log_path: /dev/null } }
${dynamic.replace('transport_api_version: V3', 'transport_api_version: V3\n    rate_limit_settings: { max_tokens: 10 }')}
static_resources:
  clusters:${controlPlane}`;
    expect((await load(text)).config.ads).not.toBeNull();
  });

  it('reports load where cluster_manager.load_stats_config says, by gRPC through a static cluster', async () => {
    const lrs = (name: string, type = 'GRPC') => `
node: { id: a, cluster: shop/orders }
cluster_manager:
  local_cluster_name: orders
  load_stats_config:
    api_type: ${type}
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: ${name} } }]
static_resources:
  clusters:${controlPlane}`;
    expect((await load(lrs('control-plane'))).config.loadReports).toMatchObject({ clusterName: 'control-plane' });
    const [fault = ''] = await faultsOf(lrs('other'));
    expect(fault).toContain('cluster_manager.load_stats_config.grpc_services[0].envoy_grpc.cluster_name');
    expect((await faultsOf(lrs('control-plane', 'DELTA_GRPC'))).join()).toContain('api_type: must be GRPC');
    expect((await load('static_resources: {}')).config.loadReports).toBeNull();
  });

  it('says where YAML itself is broken', async () => {
    expect(await faultsOf('static_resources:\n  clusters: [\n')).toEqual([
      expect.stringMatching(/^envoy\.yaml:\d+:\d+: /),
    ]);
    expect(await faultsOf('node: { id: a }\nnode: { id: b }\n')).toEqual([
      expect.stringMatching(/^envoy\.yaml:2:\d+: .*unique/),
    ]);
  });

  it('does not let aliases blow up', async () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++)
      lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`);
    expect(await faultsOf(lines.join('\n'))).toEqual([expect.stringContaining('envoy.yaml')]);
  });

  it.each([
    ['JSON', `${'{"node":'.repeat(5_000)}1${'}'.repeat(5_000)}`, 801],
    ['lists', '['.repeat(20_000), 101],
  ])('is refused in one line with its place when it is nested too deep (%s)', async (_form, text, column) => {
    expect(await faultsOf(text)).toEqual([
      `envoy.yaml:1:${column}: is nested too deep: more than 100 maps and lists stand within each other`,
    ]);
  });

  it('is one document', async () => {
    expect(await faultsOf('node: { id: a }\n---\nnode: { id: b }')).toEqual([
      'envoy.yaml:2:1: a second document begins here; one is expected',
    ]);
  });

  it('names its faults in the order of the file, whichever step finds them', async () => {
    const text = `static_resources:
  clusters:${cluster.replace('connect_timeout: 0.25s', 'connect_timeout: -1s')}
  - name: late
    type: STATIC
    wrong: 1
node: { id: a, nonsense: 1 }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: many } } }`;
    const lines = (await faultsOf(text)).map((fault) => Number(fault.split(':')[1]));
    expect(lines.length).toBeGreaterThan(3);
    expect(lines).toEqual(lines.toSorted((a, b) => a - b));
  });

  it('is refused when it is no mapping, with one line', async () => {
    expect(await faultsOf('- a\n- b\n')).toEqual([expect.stringContaining('is not a mapping')]);
    for (const nothing of ['', '# nothing yet\n', 'null'])
      expect(await faultsOf(nothing)).toEqual([
        expect.stringContaining('is empty; a bootstrap with node, admin and static_resources is expected'),
      ]);
  });

  it.each([
    [
      'an ADS cluster that is not there',
      `${dynamic}static_resources: { clusters: [] }`,
      'grpc_services[0].envoy_grpc.cluster_name: "control-plane" is not one of the static clusters',
    ],
    [
      'an ADS cluster without HTTP/2',
      `${dynamic}static_resources:\n  clusters:${cluster.replaceAll('orders', 'control-plane')}`,
      'does not speak HTTP/2',
    ],
    [
      'ADS without a node id',
      `${dynamic.replace('id: a, ', '')}static_resources:\n  clusters:${controlPlane}`,
      'node.id: is needed',
    ],
    [
      'resources by ADS without ads_config',
      'node: { id: a }\ndynamic_resources: { cds_config: { ads: {}, resource_api_version: V3 } }',
      'dynamic_resources.ads_config: is missing',
    ],
    [
      'another source than ADS',
      'dynamic_resources: { cds_config: { path: /etc/cds.yaml } }',
      'cds_config.path: is not supported',
    ],
    [
      'two clusters of one name',
      `static_resources:\n  clusters:${cluster}${cluster}`,
      'clusters[1].name: "orders" is the name of another cluster too',
    ],
    [
      'two listeners of one name',
      `static_resources:\n  listeners:${listener}${listener}`,
      'listeners[1].name: "web" is the name of another listener too',
    ],
    [
      'an address that is a name',
      `static_resources:\n  clusters:${cluster.replace('address: 127.0.0.1', 'address: orders.local')}`,
      '"orders.local" is not an IP address',
    ],
    ['a port that is none', `static_resources:\n  clusters:${cluster.replace('9000', '90000')}`, '90000 is not a port'],
    [
      'a negative duration',
      `static_resources:\n  clusters:${cluster.replace('0.25s', '-1s')}`,
      'connect_timeout: -1000 ms is not a usable duration',
    ],
    [
      'a connect timeout of nothing',
      `static_resources:\n  clusters:${cluster.replace('0.25s', '0s')}`,
      'connect_timeout: must be above 0',
    ],
    [
      'text for a number',
      `static_resources:\n  clusters:${cluster.replace('9000', 'http')}`,
      'port_value: "http" is not a whole number from 0',
    ],
    ['a list for a mapping', 'static_resources: []', 'static_resources: [] is not a mapping'],
    [
      'a typed_config without a type',
      `static_resources:\n  listeners:${listener.replace(/"@type": type.googleapis.com\/envoy.extensions.filters.network[^\n]*/, 'nothing: 1')}`,
      'typed_config: needs "@type"',
    ],
    [
      'no router',
      `static_resources:\n  listeners:${listener.replace(/http_filters:[^]*/, '')}`,
      'http_filters: needs envoy.filters.http.router',
    ],
    [
      'a domain twice',
      `static_resources:\n  listeners:${listener.replace('["*"]', '["a.example", "A.example"]')}`,
      'domains[1]: "A.example" belongs to virtual host "all" already',
    ],
    [
      'a star in the middle of a domain',
      `static_resources:\n  listeners:${listener.replace('["*"]', '["a.*.example"]')}`,
      'a * may stand at one end',
    ],
    [
      'a value that is too large for its field',
      `static_resources:\n  clusters:${cluster.replace('connect_timeout: 0.25s', 'per_connection_buffer_limit_bytes: 5000000000')}`,
      'per_connection_buffer_limit_bytes: 5000000000',
    ],
  ])('refuses %s', async (_what, text, message) => {
    expect((await faultsOf(text)).join('\n')).toContain(message);
  });

  it.each([
    ['30s', '5s', 30_000],
    ['5s', '30s', 30_000],
    ['0s', '30s', 0],
    ['5s', '', 5_000],
    ['', '', 15_000],
  ])('waits for first resources as long as lds_config (%s) or cds_config (%s) says', async (lds, cds, ms) => {
    const source = (text: string): string =>
      text === ''
        ? '{ ads: {}, resource_api_version: V3 }'
        : `{ ads: {}, resource_api_version: V3, initial_fetch_timeout: ${text} }`;
    const text = `${dynamic}static_resources:\n  clusters:${controlPlane}`
      .replace('lds_config: { ads: {}, resource_api_version: V3 }', `lds_config: ${source(lds)}`)
      .replace('cds_config: { ads: {}, resource_api_version: V3 }', `cds_config: ${source(cds)}`);
    expect((await load(text)).config.initialFetchTimeoutMs).toBe(ms);
  });

  it('names every cluster of a route that is not there, unless clusters come by ADS or validate_clusters is off (Envoy)', async () => {
    const typo = `static_resources:\n  listeners:${listener}\n  clusters:${cluster.replaceAll('orders', 'other')}`;
    expect(await faultsOf(typo)).toEqual([
      expect.stringContaining(
        'static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].route: there is no cluster "orders"',
      ),
    ]);
    expect(
      await faultsOf(typo.replace('route_config:', 'route_config:\n            validate_clusters: false')),
    ).toEqual([]);
    expect(await faultsOf(`${dynamic}static_resources:\n  listeners:${listener}\n  clusters:${controlPlane}`)).toEqual(
      [],
    );
  });
});
