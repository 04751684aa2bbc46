/** Services of our descriptors for @grpc/grpc-js: servers and clients in the control plane and the CLI. The sidecar has its own gRPC and must not import this. */
import { type DescMethod, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

type AnyMethod = MethodDefinition<Message, Message>;

/** grpc-js's form of a service: methods by their name in lowerCamelCase. */
export function grpcService(service: DescService): ServiceDefinition & Record<string, AnyMethod> {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, grpcMethod(service, method)]),
  ) as ServiceDefinition & Record<string, AnyMethod>;
}

function grpcMethod(service: DescService, method: DescMethod): AnyMethod {
  return {
    path: `/${service.typeName}/${method.name}`,
    originalName: method.localName,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

/** What @grpc/reflection needs: an entry per service, with every file that it refers to, serialized. Of the entries it reads only the files. */
export function reflectionPackage(services: readonly DescService[]): Record<string, unknown> {
  const entries = services.map((service) => {
    const files = new Map<string, FileDescriptorProto>();
    collectFiles(service.file, files);
    return [
      service.typeName,
      {
        fileDescriptorProtos: [...files.values()].map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file))),
      },
    ];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function collectFiles(file: DescService['file'], files: Map<string, FileDescriptorProto>): void {
  const { proto } = file;
  if (files.has(proto.name)) return;
  files.set(proto.name, proto);
  for (const dependency of file.dependencies) collectFiles(dependency, files);
}
