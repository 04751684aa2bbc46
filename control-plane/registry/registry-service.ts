/** `outrigger.registry.v1` over grpc-js. */
import { create } from '@bufbuild/protobuf';
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  type DeregisterRequest,
  type DeregisterResponse,
  DeregisterResponseSchema,
  type HeartbeatRequest,
  type HeartbeatResponse,
  HeartbeatResponseSchema,
  type Instance,
  type RegisterRequest,
  type RegisterResponse,
  RegisterResponseSchema,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
} from '../../proto/generated/outrigger/registry/v1/registry_pb.js';
import { instanceFault } from './registration-check.ts';
import type { Registry } from './registry.ts';

export class RegistryService {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  readonly implementation = {
    register: (
      call: ServerUnaryCall<RegisterRequest, RegisterResponse>,
      answer: sendUnaryData<RegisterResponse>,
    ): void => {
      const { instance, ttlSeconds } = call.request;
      const fault = instanceFault(instance);
      if (fault !== '') {
        answer(failure(status.INVALID_ARGUMENT, fault));
        return;
      }
      const lease = this.#registry.register(instance!, ttlSeconds);
      if (lease === null) answer(failure(status.RESOURCE_EXHAUSTED, 'too many instances are registered'));
      else answer(null, create(RegisterResponseSchema, { leaseId: lease.leaseId, ttlSeconds: lease.ttlSeconds }));
    },
    heartbeat: (
      call: ServerUnaryCall<HeartbeatRequest, HeartbeatResponse>,
      answer: sendUnaryData<HeartbeatResponse>,
    ): void => {
      const ttlSeconds = this.#registry.heartbeat(call.request.leaseId);
      if (ttlSeconds === null)
        answer(failure(status.NOT_FOUND, 'this lease has expired or is not known; register again'));
      else answer(null, create(HeartbeatResponseSchema, { ttlSeconds }));
    },
    deregister: (
      call: ServerUnaryCall<DeregisterRequest, DeregisterResponse>,
      answer: sendUnaryData<DeregisterResponse>,
    ): void => {
      this.#registry.deregister(call.request.leaseId);
      answer(null, create(DeregisterResponseSchema));
    },
    watch: (stream: ServerWritableStream<WatchRequest, WatchResponse>): void => {
      const { namespace, service } = stream.request;
      const wanted = (instance: Instance): boolean =>
        (namespace === '' || instance.namespace === namespace) && (service === '' || instance.service === service);
      stream.write(create(WatchResponseSchema, { full: true, instances: this.#registry.messages.filter(wanted) }));
      const stop = this.#registry.watch({
        onChange: (added, removed) => {
          const instances = added.filter(wanted);
          const gone = removed.filter(wanted);
          if (instances.length + gone.length === 0) return;
          // A watcher that does not read is let go, rather than kept in memory without end; it comes back and gets everything.
          if (stream.writableLength > 1_000)
            stream.emit('error', failure(status.RESOURCE_EXHAUSTED, 'this watcher does not keep up; watch again'));
          else stream.write(create(WatchResponseSchema, { instances, removed: gone }));
        },
      });
      for (const event of ['cancelled', 'close', 'error'] as const) stream.on(event, stop);
    },
  };
}

function failure(
  code: status,
  details: string,
): Partial<ServiceError> & { code: status; details: string; name: string; message: string } {
  return { name: 'RegistryError', message: details, code, details };
}
