/**
 * Keeps this instance in the control plane's registry: registers, renews the lease at a third of its life, registers again when the lease is lost
 * (a control plane that restarted without its store), and takes it out when draining begins. Failures are tried again with jittered backoff;
 * the instance goes on serving meanwhile.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ClusterLookup } from '../cluster/upstream.ts';
import { GrpcCall, type GrpcCallOwner, type GrpcStatus } from '../grpc/grpc-call.ts';
import type { Random } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import {
  DeregisterRequestSchema,
  HeartbeatRequestSchema,
  type Instance,
  RegisterRequestSchema,
  RegisterResponseSchema,
} from '../xds/api/outrigger/registry/v1/registry_pb.js';

const service = '/outrigger.registry.v1.RegistryService/';
const notFound = 5;
const invalidArgument = 3;
const callTimeoutMs = 5_000;
const firstBackoffMs = 250;
const maxBackoffMs = 10_000;
const defaultTtlSeconds = 15;

export interface RegistrationOptions {
  readonly clusters: ClusterLookup;
  readonly clusterName: string;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
}

export class Registration implements TimerTarget, GrpcCallOwner {
  readonly #options: RegistrationOptions;
  readonly #instance: Instance;
  readonly #timer: WheelTimer;
  readonly #deadline: WheelTimer;
  #call: GrpcCall | null = null;
  #answer: Buffer | null = null;
  /** '' while not registered. */
  #leaseId = '';
  #ttlSeconds = defaultTtlSeconds;
  #failures = 0;
  #closing: (() => void) | null = null;

  constructor(instance: Instance, options: RegistrationOptions) {
    this.#instance = instance;
    this.#options = options;
    this.#timer = new WheelTimer(this);
    this.#deadline = new WheelTimer(this);
  }

  get registered(): boolean {
    return this.#leaseId !== '';
  }

  start(): void {
    this.#register();
  }

  /** Takes the instance out, waiting for the answer for at most the call's timeout. */
  close(): Promise<void> {
    this.#options.wheel.disarm(this.#timer);
    this.#call?.cancel();
    this.#call = null;
    if (this.#leaseId === '') return Promise.resolve();
    return new Promise((resolve) => {
      this.#closing = resolve;
      this.#begin(
        'Deregister',
        toBinary(DeregisterRequestSchema, create(DeregisterRequestSchema, { leaseId: this.#leaseId })),
      );
    });
  }

  onTimer(timer: WheelTimer): void {
    if (timer === this.#deadline) {
      this.#call?.cancel();
      this.#call = null;
      this.onEnd({ code: 4, message: `no answer within ${callTimeoutMs / 1000} s` });
    } else if (this.#leaseId === '') this.#register();
    else
      this.#begin(
        'Heartbeat',
        toBinary(HeartbeatRequestSchema, create(HeartbeatRequestSchema, { leaseId: this.#leaseId })),
      );
  }

  onMessage(message: Buffer): void {
    this.#answer = message;
  }

  onEnd(status: GrpcStatus): void {
    const { wheel, log, random } = this.#options;
    wheel.disarm(this.#deadline);
    this.#call = null;
    if (this.#closing !== null) {
      this.#closing();
      return;
    }
    const name = `${this.#instance.namespace}/${this.#instance.service}`;
    if (status.code === 0 && this.#answer !== null) {
      if (this.#leaseId === '') {
        const response = fromBinary(RegisterResponseSchema, this.#answer);
        this.#leaseId = response.leaseId;
        this.#ttlSeconds = response.ttlSeconds > 0 ? response.ttlSeconds : defaultTtlSeconds;
        log.info(`registered as an instance of ${name} at ${this.#instance.address}:${this.#instance.port}`);
      }
      this.#failures = 0;
      wheel.arm(this.#timer, (this.#ttlSeconds * 1000) / 3);
      return;
    }
    if (status.code === notFound && this.#leaseId !== '') {
      log.info(`the control plane no longer knows the lease of ${name}: registering again`);
      this.#leaseId = '';
      this.#register();
      return;
    }
    this.#failures++;
    const backoffMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(this.#failures, 10)) * (0.5 + random() / 2);
    const delayMs = status.code === invalidArgument ? maxBackoffMs : backoffMs;
    // The first failure is told; a control plane that is away for long does not fill the log.
    if (this.#failures === 1)
      log.warn(
        `could not ${this.#leaseId === '' ? 'register' : 'renew the registration of'} ${name}: ${status.message}; trying again`,
      );
    wheel.arm(this.#timer, delayMs);
  }

  #register(): void {
    this.#begin(
      'Register',
      toBinary(
        RegisterRequestSchema,
        create(RegisterRequestSchema, { instance: this.#instance, ttlSeconds: defaultTtlSeconds }),
      ),
    );
  }

  #begin(method: string, message: Uint8Array): void {
    const { clusters, clusterName, wheel } = this.#options;
    const cluster = clusters.cluster(clusterName);
    if (cluster === undefined) {
      this.onEnd({ code: 14, message: `there is no cluster ${clusterName}` });
      return;
    }
    this.#answer = null;
    const call = new GrpcCall(
      { cluster, path: service + method, authority: clusterName, metadata: [], maxMessageBytes: 64 * 1024 },
      this,
    );
    this.#call = call;
    wheel.arm(this.#deadline, callTimeoutMs);
    call.send(message);
    call.halfClose();
    call.start();
  }
}
