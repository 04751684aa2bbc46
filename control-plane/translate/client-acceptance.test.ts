/** What is sent is put before the clients' own validation: our sidecar's decoders, and those of grpc-js-xds. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { serviceAccountId } from '../../certs/spiffe/spiffe-id.ts';
import { ClusterSchema } from '../../proto/generated/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../proto/generated/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../proto/generated/envoy/config/route/v3/route_pb.js';
import { checkFields } from '../../sidecar/xds/check-fields.ts';
import { decodeAssignment, decodeCluster } from '../../sidecar/xds/decode-cluster.ts';
import { decodeListener } from '../../sidecar/xds/decode-listener.ts';
import { decodeRouteTable } from '../../sidecar/xds/decode-route.ts';
import { Faults } from '../../sidecar/xds/fault.ts';
import { ModelBuilder } from '../model/model-builder.ts';
import { parseFile } from '../source/parse-file.ts';
import type { EncodedResource } from './encoded-resource.ts';
import { proxy, sampleInstances, sampleResources } from './sample-mesh.test-data.ts';
import { type ProxyResources, translate } from './translate.ts';

const { resources: policies } = parseFile(
  'policies.yaml',
  readFileSync(join(import.meta.dirname, 'golden/policies.yaml'), 'utf8'),
);
const id = serviceAccountId('cluster.local', 'shop', 'payments');
const model = new ModelBuilder().build({
  resources: [...sampleResources(), ...policies],
  instances: sampleInstances.map((each) => (each.service === 'payments' ? { ...each, identity: id.text } : each)),
});
describe('our sidecar', () => {
  const decoders: Readonly<
    Record<
      keyof ProxyResources,
      { readonly schema: DescMessage; readonly decode: (message: never, path: string, faults: Faults) => unknown }
    >
  > = {
    listeners: { schema: ListenerSchema, decode: decodeListener },
    routes: { schema: RouteConfigurationSchema, decode: decodeRouteTable },
    clusters: { schema: ClusterSchema, decode: decodeCluster },
    endpoints: { schema: ClusterLoadAssignmentSchema, decode: decodeAssignment },
  };
  for (const type of Object.keys(decoders) as Array<keyof ProxyResources>) {
    test.each([null, id])(`takes the ${type} (identity %j)`, (identity) => {
      const { schema, decode } = decoders[type];
      const faults = new Faults();
      const listen = { host: '127.0.0.1', port: 0 };
      const upstreams = ['orders', 'unknown'].map((service) => ({ namespace: 'shop', service, port: 8080, listen }));
      const translated = translate(model, proxy('outrigger', { upstreams, identity }));
      for (const { name, bytes } of translated[type].values()) {
        const message: Message = fromBinary(schema, bytes);
        checkFields(schema, message, name, faults);
        decode(message as never, name, faults);
      }
      expect(faults.list).toEqual([]);
    });
  }
});

describe('grpc-js-xds', () => {
  interface ResourceType {
    decode(
      context: unknown,
      resource: { type_url: string; value: Uint8Array },
    ): { readonly name: string; readonly value?: unknown; readonly error?: string };
  }
  const load = createRequire(import.meta.url);
  // Filters and balancers are known only after this.
  (load('@grpc/grpc-js-xds') as { register(): void }).register();
  const resourceType = (file: string, className: string): ResourceType => {
    const module = load(`@grpc/grpc-js-xds/build/src/xds-resource-type/${file}.js`) as Record<
      string,
      { get(): ResourceType }
    >;
    return module[className]!.get();
  };
  const types: ReadonlyArray<readonly [keyof ProxyResources, string, string]> = [
    ['listeners', 'listener-resource-type', 'ListenerResourceType'],
    ['routes', 'route-config-resource-type', 'RouteConfigurationResourceType'],
    ['clusters', 'cluster-resource-type', 'ClusterResourceType'],
    ['endpoints', 'endpoint-resource-type', 'EndpointResourceType'],
  ];
  for (const [type, file, className] of types) {
    test(`takes the ${type}`, () => {
      const decoder = resourceType(file, className);
      const context = { bootstrap: { certificateProviders: {} }, server: {} };
      const results = [...translate(model, proxy('grpc'))[type].values()].map(
        ({ name, typeUrl, bytes }: EncodedResource) => ({
          name,
          result: decoder.decode(context, { type_url: typeUrl, value: Buffer.from(bytes) }),
        }),
      );
      expect(
        results.filter(
          ({ name, result }) => result.name !== name || result.error !== undefined || result.value === undefined,
        ),
      ).toEqual([]);
    });
  }
});
