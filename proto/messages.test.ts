/** What we rely on in the protobuf runtime: canonical JSON both ways, `Any` by a registry, unknown fields kept. */
import { createRegistry, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { ListenerSchema } from './generated/envoy/config/listener/v3/listener_pb.js';
import { RouterSchema } from './generated/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from './generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { InstanceSchema, RegisterRequestSchema } from './generated/outrigger/registry/v1/registry_pb.js';

const registry = createRegistry(HttpConnectionManagerSchema, RouterSchema);

const listener = {
  name: 'outbound',
  address: { socket_address: { address: '127.0.0.1', port_value: 15001 } },
  filter_chains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.http_connection_manager',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            codec_type: 'HTTP2',
            stat_prefix: 'outbound',
            http_filters: [
              {
                name: 'envoy.filters.http.router',
                typed_config: {
                  '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                  suppress_envoy_headers: true,
                },
              },
            ],
            stream_idle_timeout: '0.250s',
            generate_request_id: false,
            route_config: {
              name: 'main',
              virtual_hosts: [
                {
                  name: 'all',
                  domains: ['*'],
                  routes: [
                    {
                      match: { prefix: '/' },
                      route: { cluster: 'orders', timeout: '3.500s' },
                      metadata: { filter_metadata: { a: { b: [1, 'c', null, { d: true }] } } },
                    },
                  ],
                },
              ],
            },
          },
        },
      ],
    },
  ],
  per_connection_buffer_limit_bytes: 32768,
  traffic_direction: 'OUTBOUND',
};

describe('messages of Envoy', () => {
  it('come back from JSON to JSON, through Any and wrappers, by the names of the .proto files', () => {
    const message = fromJson(ListenerSchema, listener, { registry });
    expect(toJson(ListenerSchema, message, { registry, useProtoFieldName: true })).toEqual(listener);
  });

  it('come back from binary to binary', () => {
    const message = fromJson(ListenerSchema, listener, { registry });
    const bytes = toBinary(ListenerSchema, message);
    const again = fromBinary(ListenerSchema, bytes);
    expect(Buffer.from(toBinary(ListenerSchema, again)).equals(Buffer.from(bytes))).toBe(true);
    const { configType } = again.filterChains[0]!.filters[0]!;
    const manager =
      configType.case === 'typedConfig' ? anyUnpack(configType.value, HttpConnectionManagerSchema) : undefined;
    expect(manager).toMatchObject({
      statPrefix: 'outbound',
      generateRequestId: false,
      streamIdleTimeout: { seconds: 0n, nanos: 250_000_000 },
    });
  });

  it('take both spellings of a name in JSON', () => {
    expect(fromJson(ListenerSchema, { trafficDirection: 'INBOUND' }).trafficDirection).toBe(
      fromJson(ListenerSchema, { traffic_direction: 'INBOUND' }).trafficDirection,
    );
  });

  it('keep fields that are not known to this version, also over a round trip', () => {
    // Field 9999, length-delimited, "new".
    const bytes = Buffer.concat([
      toBinary(ListenerSchema, fromJson(ListenerSchema, { name: 'a' })),
      Buffer.from([0xfa, 0xf0, 0x04, 0x03]),
      Buffer.from('new'),
    ]);
    const message = fromBinary(ListenerSchema, bytes);
    expect(message.$unknown!.map((field) => field.no)).toEqual([9999]);
    expect(Buffer.from(toBinary(ListenerSchema, message)).equals(bytes)).toBe(true);
  });
});

describe('messages of our own', () => {
  it('come back from JSON to binary to JSON', () => {
    const json = {
      instance: {
        namespace: 'shop',
        service: 'orders',
        instanceId: 'a',
        address: '10.0.0.1',
        port: 8080,
        labels: { version: 'v1' },
        weight: 2,
      },
      ttlSeconds: 15,
    };
    const message = fromJson(RegisterRequestSchema, json);
    expect(
      toJson(RegisterRequestSchema, fromBinary(RegisterRequestSchema, toBinary(RegisterRequestSchema, message))),
    ).toEqual(json);
    expect(message.instance!.$typeName).toBe(InstanceSchema.typeName);
  });
});
