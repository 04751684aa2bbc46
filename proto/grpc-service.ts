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

/** What @grpc/reflection needs: for each service its methods, and every file that they refer to, serialized. */
export function reflectionPackage(services: readonly DescService[]): Record<string, unknown> {
  const definitions: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const service of services) {
    const files = new Map<string, FileDescriptorProto>();
    collectFiles(service.file, files);
    const fileDescriptorProtos = [...files.values()].map((file) =>
      Buffer.from(toBinary(FileDescriptorProtoSchema, file)),
    );
    const methods = Object.fromEntries(
      Object.entries(grpcService(service)).map(([name, method]) => [
        name,
        { ...method, requestType: { fileDescriptorProtos }, responseType: { fileDescriptorProtos } },
      ]),
    );
    definitions[service.typeName] = methods;
  }
  return definitions;
}

function collectFiles(file: DescService['file'], files: Map<string, FileDescriptorProto>): void {
  const { proto } = file;
  if (files.has(proto.name)) return;
  files.set(proto.name, proto);
  for (const dependency of file.dependencies) collectFiles(dependency, files);
}
