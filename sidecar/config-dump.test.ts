import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { Configuration, Configured } from './config/configuration.ts';
import { type ConfigDumpInput, configDump } from './config-dump.ts';
import { SecretStore } from './secret/secret-store.ts';
import { caPem, orders } from './transport/test/certificates.ts';
import { BootstrapSchema } from './xds/api/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from './xds/api/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from './xds/api/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from './xds/api/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from './xds/api/envoy/config/route/v3/route_pb.js';
import { decodeBootstrap, parseBootstrap } from './xds/bootstrap-file.ts';

const updatedWallMs = Date.parse('2026-11-24T01:02:03Z');
const clock = { nowMs: () => 0, wallMs: () => updatedWallMs };
const lastUpdated = '2026-11-24T01:02:03.000Z';

function resource<Schema extends DescMessage>(
  schema: Schema,
  init: MessageInitShape<Schema>,
  origin: 'static' | 'dynamic',
): Configured<never> {
  const version = origin === 'static' ? '' : 'v7';
  return { version, origin, updatedWallMs, raw: toBinary(schema, create(schema, init)), value: undefined as never };
}

const configuration: Configuration = {
  clusters: new Map([
    ['fixed', resource(ClusterSchema, { name: 'fixed' }, 'static')],
    ['orders', resource(ClusterSchema, { name: 'orders' }, 'dynamic')],
  ]),
  listeners: new Map([['outbound', resource(ListenerSchema, { name: 'outbound' }, 'dynamic')]]),
  routeTables: new Map([['outbound', resource(RouteConfigurationSchema, { name: 'outbound' }, 'dynamic')]]),
  assignments: new Map([['orders', resource(ClusterLoadAssignmentSchema, { clusterName: 'orders' }, 'dynamic')]]),
};

function dump(more: Partial<ConfigDumpInput> = {}): Record<string, Record<string, unknown>> {
  const { configs } = configDump({
    bootstrap: create(BootstrapSchema),
    configuration,
    secretReferences: [],
    secrets: new SecretStore(clock),
    refused: new Map(),
    includeEds: false,
    nameFilter: null,
    ...more,
  });
  return Object.fromEntries(configs.map((section) => [String(section['@type']).split('.').at(-1)!, section])) as never;
}

test('says of each resource where it came from, in which version, and since when', () => {
  const sections = dump();
  const type = (name: string): string => `type.googleapis.com/envoy.config.${name}`;
  expect(sections['ClustersConfigDump']).toMatchObject({
    static_clusters: [{ cluster: { '@type': type('cluster.v3.Cluster'), name: 'fixed' }, last_updated: lastUpdated }],
    dynamic_active_clusters: [{ version_info: 'v7', cluster: { name: 'orders' }, last_updated: lastUpdated }],
  });
  expect(sections['ClustersConfigDump']!['static_clusters']).not.toMatchObject([{ version_info: expect.anything() }]);
  expect(sections['ListenersConfigDump']).toMatchObject({
    static_listeners: [],
    dynamic_listeners: [
      {
        name: 'outbound',
        active_state: {
          version_info: 'v7',
          listener: { '@type': type('listener.v3.Listener'), name: 'outbound' },
          last_updated: lastUpdated,
        },
      },
    ],
  });
  expect(sections['RoutesConfigDump']).toMatchObject({
    dynamic_route_configs: [{ version_info: 'v7', route_config: { name: 'outbound' } }],
  });
});

test('has endpoints only when they are asked for (Envoy: include_eds)', () => {
  expect(dump()['EndpointsConfigDump']).toBeUndefined();
  expect(dump({ includeEds: true })['EndpointsConfigDump']).toMatchObject({
    dynamic_endpoint_configs: [{ version_info: 'v7', endpoint_config: { cluster_name: 'orders' } }],
  });
});

const refusal = { version: 'v8', details: 'clusters[0].type: is not supported', atWallMs: updatedWallMs };
const errorState = { version_info: 'v8', details: refusal.details, last_update_attempt: lastUpdated };

test('a refused update stands beside what is still in force (Envoy: error_state)', () => {
  const refused = new Map([
    ['cluster', new Map([['orders', refusal]])],
    ['listener', new Map([['outbound', refusal]])],
  ]);
  const sections = dump({ refused });
  expect(sections['ClustersConfigDump']!['dynamic_active_clusters']).toMatchObject([
    { version_info: 'v7', cluster: { name: 'orders' }, error_state: errorState },
  ]);
  expect(sections['ListenersConfigDump']!['dynamic_listeners']).toMatchObject([
    { active_state: { version_info: 'v7' }, error_state: errorState },
  ]);
});

test('a resource of which no version was ever accepted is shown with the reason', () => {
  const refused = new Map(
    ['cluster', 'listener', 'routes', 'endpoints'].map((label) => [label, new Map([['new', refusal]])] as const),
  );
  const sections = dump({ refused, includeEds: true, nameFilter: { test: (name) => name === 'new' } });
  expect(sections['ClustersConfigDump']!['dynamic_active_clusters']).toMatchObject([
    { cluster: { name: 'new' }, error_state: errorState },
  ]);
  expect(sections['ListenersConfigDump']!['dynamic_listeners']).toEqual([{ name: 'new', error_state: errorState }]);
  expect(sections['RoutesConfigDump']!['dynamic_route_configs']).toMatchObject([
    { route_config: { name: 'new' }, error_state: errorState },
  ]);
  expect(sections['EndpointsConfigDump']!['dynamic_endpoint_configs']).toMatchObject([
    { endpoint_config: { cluster_name: 'new' }, error_state: errorState },
  ]);
});

test('a pattern chooses resources by name', () => {
  const { ClustersConfigDump, ListenersConfigDump } = dump({ nameFilter: { test: (name) => name === 'orders' } });
  expect(ClustersConfigDump).toMatchObject({
    static_clusters: [],
    dynamic_active_clusters: [{ cluster: { name: 'orders' } }],
  });
  expect(ListenersConfigDump).toMatchObject({ dynamic_listeners: [] });
});

test('private keys never leave the process, in the bootstrap or in a resource', () => {
  const { chainPem, keyPem } = orders;
  const cluster = {
    name: 'secure',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: { cluster_name: 'secure' },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        common_tls_context: {
          tls_certificates: [
            { certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } },
          ],
        },
      },
    },
  };
  const decoded = decodeBootstrap({ static_resources: { clusters: [cluster] } }, updatedWallMs);
  if (!decoded.ok) throw new Error(decoded.faults.join());
  const { message, clusters } = decoded.bootstrap;
  const text = JSON.stringify(dump({ bootstrap: message, configuration: { ...configuration, clusters } }));
  expect(text).not.toContain('PRIVATE KEY');
  expect(text.match(/"private_key":\{"inline_string":"\[redacted\]"\}/g)).toHaveLength(2);
  expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
});

test('secrets that are referred to are there with their certificates and without keys; those that have not come are warming (Envoy: SecretsConfigDump)', () => {
  const secrets = new SecretStore(clock);
  secrets.set('default', 'default', '3', { kind: 'certificate', ...orders });
  secrets.set('ROOTCA', 'ROOTCA', '4', { kind: 'validation', trustedCaPem: caPem, subjectAltNames: [] });
  secrets.refuse('ROOTCA', 'validation_context.trusted_ca: no PEM block');
  const secretReferences = ['default', 'ROOTCA', 'late'].map((name) => ({
    name,
    key: name,
    source: { kind: 'ads' } as const,
  }));
  const section = dump({ secrets, secretReferences })['SecretsConfigDump']!;
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
  expect(section['dynamic_active_secrets']).toEqual([
    {
      name: 'default',
      version_info: '3',
      last_updated: lastUpdated,
      secret: {
        '@type': type,
        name: 'default',
        tls_certificate: {
          certificate_chain: { inline_string: orders.chainPem },
          private_key: { inline_string: '[redacted]' },
        },
      },
    },
    {
      name: 'ROOTCA',
      version_info: '4',
      last_updated: lastUpdated,
      secret: { '@type': type, name: 'ROOTCA', validation_context: { trusted_ca: { inline_string: caPem } } },
      error_state: { details: 'validation_context.trusted_ca: no PEM block' },
    },
  ]);
  expect(section['dynamic_warming_secrets']).toEqual([
    { name: 'late', version_info: 'uninitialized', secret: { '@type': type, name: 'late' } },
  ]);
  expect(JSON.stringify(section)).not.toContain('PRIVATE KEY');
});

const authorityBootstrap = `
node: { id: a, cluster: b }
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services:
      - envoy_grpc: { cluster_name: control-plane }
        initial_metadata: [{ key: authorization, value: "Bearer ojt_private" }, { key: x-other, value: ojt_private }]
static_resources:
  listeners:
    - name: web
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                route_config:
                  request_headers_to_add:
                    - { header: { key: X-Api-Key, value: ojt_private }, append_action: OVERWRITE_IF_EXISTS_OR_ADD }
                    - { header: { key: x-zone, value: shown-value } }
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: /, headers: [{ name: Cookie, string_match: { exact: ojt_private } }, { name: x-zone, string_match: { exact: shown-match } }] }
                          route: { cluster: control-plane }
                          response_headers_to_add: [{ header: { key: set-cookie, value: ojt_private } }]
                http_filters:
                  - name: envoy.filters.http.ext_authz
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
                      transport_api_version: V3
                      http_service:
                        server_uri: { uri: "http://authz", cluster: control-plane, timeout: 1s }
                        authorization_request: { headers_to_add: [{ key: x-caller, value: ojt_private }] }
                  - name: envoy.filters.http.router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: control-plane
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment: { cluster_name: control-plane, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 1 } } } }] }] }
`;

test('tokens that services get, and fields that are credentials, never show (the bootstrap of docs/authority.md; ext_authz)', async () => {
  const result = await parseBootstrap(authorityBootstrap, 'test.yaml', updatedWallMs);
  if (!result.ok) throw new Error(result.faults.join());
  const { message } = result.bootstrap;
  const text = JSON.stringify(
    dump({
      bootstrap: message,
      configuration: {
        ...configuration,
        listeners: result.bootstrap.listeners as never,
      },
    }),
  );
  expect(text).not.toContain('ojt_private');
  expect(text).toContain('{"key":"authorization","value":"[redacted]"}');
  for (const shown of ['"X-Api-Key"', 'OVERWRITE_IF_EXISTS_OR_ADD', 'shown-value', 'shown-match', '"x-caller"'])
    expect(text).toContain(shown);
});
