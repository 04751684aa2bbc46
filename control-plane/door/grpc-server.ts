/** A gRPC server for one door: the services that it is given, health and reflection, within limits that no client can stretch. */

import type { DescService } from '@bufbuild/protobuf';
import { Server, type ServerInterceptor, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { Health } from '../../proto/generated/health/v1/health_pb.js';
import { grpcService, reflectionPackage } from '../../proto/grpc-service.ts';

export interface ServedService {
  readonly descriptor: DescService;
  readonly implementation: object;
}

export interface GrpcLimits {
  readonly maxMessageBytes: number;
  /** Calls at a time on one connection. */
  readonly maxStreams: number;
}

export interface DoorServer {
  readonly server: Server;
  /** Tells health checks that this one is going away. */
  notServing(): void;
}

/** `interceptors`: who looks at each call first. */
export function grpcServer(
  services: readonly ServedService[],
  limits: GrpcLimits,
  interceptors: readonly ServerInterceptor[],
): DoorServer {
  const server = new Server({
    'grpc.max_receive_message_length': limits.maxMessageBytes,
    'grpc.max_concurrent_streams': limits.maxStreams,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc-node.max_session_memory': 256,
    interceptors: [...interceptors],
  });
  for (const { descriptor, implementation } of services)
    server.addService(grpcService(descriptor), implementation as UntypedServiceImplementation);
  const descriptors = services.map(({ descriptor }) => descriptor);
  const names = ['', ...descriptors.map((service) => service.typeName)];
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, 'SERVING' as const])));
  health.addToServer(server);
  new ReflectionService(
    reflectionPackage([...descriptors, Health]) as ConstructorParameters<typeof ReflectionService>[0],
  ).addToServer(server);
  return { server, notServing: () => health.setStatus('', 'NOT_SERVING') };
}

/** Lets calls that are under way end, for half a second. */
export function shutDown(server: Server, after: (delayMs: number, callback: () => void) => () => void): Promise<void> {
  return new Promise((resolve) => {
    const stop = after(500, () => server.forceShutdown());
    server.tryShutdown(() => {
      stop();
      resolve();
    });
  });
}
