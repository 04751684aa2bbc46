import { create, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  type Client,
  type ClientReadableStream,
  credentials,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { AggregatedDiscoveryService } from './generated/envoy/service/discovery/v3/ads_pb.js';
import {
  type RegisterRequest,
  RegisterRequestSchema,
  type RegisterResponse,
  RegisterResponseSchema,
  RegistryService,
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
  WatchResponseSchema,
} from './generated/outrigger/registry/v1/registry_pb.js';
import { grpcService, reflectionPackage } from './grpc-service.ts';

let server: Server | null = null;
let client: Client | null = null;

afterEach(() => {
  client?.close();
  server?.forceShutdown();
});

interface RegistryClient {
  register(request: RegisterRequest, done: (error: Error | null, response: RegisterResponse) => void): void;
  watch(request: WatchRequest): ClientReadableStream<WatchResponse>;
}

async function connect(): Promise<RegistryClient> {
  server = new Server();
  server.addService(grpcService(RegistryService), {
    register(call: ServerUnaryCall<RegisterRequest, RegisterResponse>, done: sendUnaryData<RegisterResponse>) {
      done(
        null,
        create(RegisterResponseSchema, {
          leaseId: call.request.instance!.instanceId,
          ttlSeconds: call.request.ttlSeconds,
        }),
      );
    },
    watch(call: ServerWritableStream<WatchRequest, WatchResponse>) {
      call.write(create(WatchResponseSchema, { full: true, instances: [{ namespace: call.request.namespace }] }));
      call.end();
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server!.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  client = new (makeClientConstructor(grpcService(RegistryService), 'RegistryService'))(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
  );
  return client as unknown as RegistryClient;
}

describe('a service of our descriptors on grpc-js', () => {
  it('takes a unary call', async () => {
    const registry = await connect();
    const response = await new Promise<RegisterResponse>((resolve, reject) => {
      registry.register(
        create(RegisterRequestSchema, { instance: { instanceId: 'a-1' }, ttlSeconds: 15 }),
        (error, found) => (error === null ? resolve(found) : reject(error)),
      );
    });
    expect(response).toMatchObject({ leaseId: 'a-1', ttlSeconds: 15 });
  });

  it('streams answers', async () => {
    const registry = await connect();
    const found: WatchResponse[] = [];
    for await (const response of registry.watch(create(WatchRequestSchema, { namespace: 'shop' })))
      found.push(response as WatchResponse);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ full: true, instances: [{ namespace: 'shop' }] });
  });

  it('knows which methods stream, and on which side', () => {
    const { streamAggregatedResources } = grpcService(AggregatedDiscoveryService);
    expect(streamAggregatedResources).toMatchObject({
      path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
      requestStream: true,
      responseStream: true,
    });
  });

  it('hands reflection every file that a service refers to', () => {
    const definitions = reflectionPackage([RegistryService, AggregatedDiscoveryService]) as Record<
      string,
      { fileDescriptorProtos: Uint8Array[] }
    >;
    expect(Object.keys(definitions)).toEqual([
      'outrigger.registry.v1.RegistryService',
      'envoy.service.discovery.v3.AggregatedDiscoveryService',
    ]);
    const files = definitions['envoy.service.discovery.v3.AggregatedDiscoveryService']!.fileDescriptorProtos.map(
      (bytes) => fromBinary(FileDescriptorProtoSchema, bytes),
    );
    const names = new Set(files.map((file) => file.name));
    for (const file of files) for (const dependency of file.dependency) expect(names).toContain(dependency);
  });
});
