import { expect, test } from 'vitest';
import { BootstrapSchema } from './api/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { standardJson } from './envoy-json.ts';

const cluster = (fields: unknown): unknown => ({ static_resources: { clusters: [fields] } });

test('names of enum values may be in any case, as in Envoy', () => {
  expect(standardJson(BootstrapSchema, cluster({ type: 'strict_dns', lb_policy: 'Round_Robin' }))).toEqual(
    cluster({ type: 'STRICT_DNS', lb_policy: 'ROUND_ROBIN' }),
  );
  expect(standardJson(BootstrapSchema, cluster({ type: 'nonsense', lb_policy: 3 }))).toEqual(
    cluster({ type: 'nonsense', lb_policy: 3 }),
  );
});

test('one value may stand for a list of one, as in Envoy; also within Any and under names in camel case', () => {
  expect(standardJson(BootstrapSchema, { staticResources: { clusters: { name: 'a' } } })).toEqual({
    staticResources: { clusters: [{ name: 'a' }] },
  });
  const any = (alpn: unknown): unknown => ({
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    common_tls_context: { alpn_protocols: alpn, tls_params: { tls_minimum_protocol_version: 'TLSv1_3' } },
  });
  expect(standardJson(BootstrapSchema, cluster({ transport_socket: { typed_config: any('h2') } }))).toEqual(
    cluster({ transport_socket: { typed_config: any(['h2']) } }),
  );
});

test.each([
  null,
  7,
  'text',
  [1],
  { unknown: { deep: 1 } },
  { static_resources: 'text' },
  { node: { metadata: { list: 1 } } },
])('what it does not know stays as it is: %j', (value) => {
  expect(standardJson(BootstrapSchema, value)).toEqual(value);
});
