/** `outrigger.registry.v1` over grpc-js. */
import { create, type Message } from '@bufbuild/protobuf';
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { IdentityFault } from '../../certs/identity-fault.ts';
import type { SpiffeId } from '../../certs/spiffe/spiffe-id.ts';
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
import { type Caller, callerOf } from '../door/caller.ts';
import { type Refusal, refusalOf, refusalReason } from '../door/refusal.ts';
import { instanceFault } from './registration-check.ts';
import type { Registry } from './registry.ts';

export interface RegistryServiceOptions {
  /** The identity by which a known caller is an instance of this service. Throws IdentityFault `not-allowed`. */
  readonly identityOf: (caller: Caller, namespace: string, service: string, what: string) => SpiffeId;
  /** Why nobody is sent to an instance that has just been registered; '' when somebody is. */
  readonly warningOf: (instance: Instance) => string;
  readonly log: Logger;
  /** A call was refused; `reason` is one of our words. */
  readonly onRefused: (reason: string) => void;
}

export class RegistryService {
  readonly #registry: Registry;
  readonly #options: RegistryServiceOptions;

  constructor(registry: Registry, options: RegistryServiceOptions) {
    this.#registry = registry;
    this.#options = options;
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
      const caller = callerOf(call);
      let identity = '';
      try {
        // What has an identity can't be replaced by what has none: its callers would no more ask for mTLS.
        this.#checkMay(caller, instance!, this.#registry.identityOf(instance!) ?? '');
        if (caller !== null)
          identity = this.#options.identityOf(caller, instance!.namespace, instance!.service, 'instance').text;
      } catch (error) {
        answer(this.#refusal(error, `registering for ${call.getPeer()}`));
        return;
      }
      const lease = this.#registry.register(instance!, ttlSeconds, identity);
      if (lease === null) answer(failure(status.RESOURCE_EXHAUSTED, 'too many instances are registered'));
      else {
        const warning = this.#options.warningOf(instance!);
        answer(null, create(RegisterResponseSchema, { ...lease, warning }));
      }
    },
    heartbeat: (
      call: ServerUnaryCall<HeartbeatRequest, HeartbeatResponse>,
      answer: sendUnaryData<HeartbeatResponse>,
    ): void => {
      const refused = this.#leaseRefusal(call);
      if (refused !== null) {
        answer(refused);
        return;
      }
      const ttlSeconds = this.#registry.heartbeat(call.request.leaseId);
      const successor = ttlSeconds === null ? this.#registry.successor(call.request.leaseId) : null;
      if (successor !== null) answer(failure(status.ALREADY_EXISTS, takenOver(successor)));
      else if (ttlSeconds === null)
        answer(failure(status.NOT_FOUND, 'this lease has expired or is not known; register again'));
      else answer(null, create(HeartbeatResponseSchema, { ttlSeconds }));
    },
    deregister: (
      call: ServerUnaryCall<DeregisterRequest, DeregisterResponse>,
      answer: sendUnaryData<DeregisterResponse>,
    ): void => {
      const refused = this.#leaseRefusal(call);
      if (refused !== null) {
        answer(refused);
        return;
      }
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

  /** A lease is for who may be such an instance; one that was made with an identity is not for the plain door. */
  #leaseRefusal(call: ServerUnaryCall<{ readonly leaseId: string } & Message, Message>): Refusal | null {
    const lease = this.#registry.lease(call.request.leaseId);
    if (lease === null) return null;
    try {
      this.#checkMay(callerOf(call), lease.instance, lease.identity);
      return null;
    } catch (error) {
      return this.#refusal(error, `a lease for ${call.getPeer()}`);
    }
  }

  #checkMay(caller: Caller | null, { namespace, service, instanceId }: Instance, identity: string): void {
    if (caller !== null) this.#options.identityOf(caller, namespace, service, 'instance');
    else if (identity !== '')
      throw new IdentityFault(
        'not-allowed',
        `the instance ${JSON.stringify(instanceId)} of ${namespace}/${service} is registered with the identity ${identity}: only the TLS door may change it`,
      );
  }

  #refusal(error: unknown, doing: string): Refusal {
    this.#options.onRefused(refusalReason(error));
    return refusalOf(error, doing, this.#options.log);
  }
}

function takenOver({ namespace, service, instanceId, address, port }: Instance): string {
  return `another process, at ${address}:${port}, is registered as the instance ${JSON.stringify(instanceId)} of ${namespace}/${service}; each needs a node id of its own (--node-id)`;
}

function failure(
  code: status,
  details: string,
): Partial<ServiceError> & { code: status; details: string; name: string; message: string } {
  return { name: 'RegistryError', message: details, code, details };
}
