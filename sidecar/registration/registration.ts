/**
 * Keeps this instance in the control plane's registry: registers, renews the lease at a third of its life, registers again when the lease is lost
 * (a control plane that restarted without its store), stands back when another process has its name, and takes it out when draining begins. Failures are tried again with jittered backoff;
 * the instance goes on serving meanwhile.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ClusterLookup } from '../cluster/upstream.ts';
import { GrpcCall, type GrpcCallOwner, type GrpcStatus } from '../grpc/grpc-call.ts';
import type { Random } from '../runtime/clock.ts';
import { growingPauseMs } from '../runtime/growing-pause.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import {
  DeregisterRequestSchema,
  HeartbeatRequestSchema,
  type Instance,
  RegisterRequestSchema,
  type RegisterResponse,
  RegisterResponseSchema,
} from '../xds/api/outrigger/registry/v1/registry_pb.js';

const service = '/outrigger.registry.v1.RegistryService/';
const notFound = 5;
const alreadyExists = 6;
/** INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED: to ask the same again soon is of no use. */
const refusals: ReadonlySet<number> = new Set([3, 7, 16]);
const callTimeoutMs = 5_000;
const firstBackoffMs = 250;
const maxBackoffMs = 5_000;
const refusalDelayMs = 10_000;
const defaultTtlSeconds = 15;
const maxTtlSeconds = 3_600;
const internal = 13;
/** For each call that close() waits for: a shutdown does not wait for long. */
const closeTimeoutMs = 2_000;

export interface RegistrationOptions {
  readonly clusters: ClusterLookup;
  readonly clusterName: string;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  /** The control plane took the instance, and says why nobody is sent to it. Told with each registration. */
  readonly onWarning?: (warning: string) => void;
}

const maxWarningLength = 500;

export class Registration implements TimerTarget, GrpcCallOwner {
  readonly #options: RegistrationOptions;
  readonly #instance: Instance;
  readonly #timer: WheelTimer;
  readonly #deadline: WheelTimer;
  #call: GrpcCall | null = null;
  #answer: Buffer | null = null;
  /** Of the call that is under way, or was last. */
  #method: 'Register' | 'Heartbeat' | 'Deregister' = 'Register';
  /** '' while not registered. */
  #leaseId = '';
  #ttlSeconds = defaultTtlSeconds;
  #failures = 0;
  /** Another process has its name. */
  #displaced = false;
  #closing: (() => void) | null = null;
  #closed: Promise<void> | null = null;

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

  /**
   * Takes the instance out, and registers no more. A first registration that is under way may already count: its answer is waited for, so that the lease can be given back. Resolves
   * within {@link closeTimeoutMs} for each of the two calls, whatever the control plane does.
   */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#closing = resolve;
      this.#beginClosing();
    });
    return this.#closed;
  }

  #beginClosing(): void {
    const { wheel } = this.#options;
    wheel.disarm(this.#timer);
    if (this.#leaseId === '' && this.#call?.underWay === true) {
      wheel.arm(this.#deadline, closeTimeoutMs);
      return;
    }
    this.#call?.cancel();
    this.#call = null;
    this.#deregister();
  }

  #deregister(): void {
    const leaseId = this.#leaseId;
    if (leaseId === '') this.#finishClosing();
    else this.#begin('Deregister', toBinary(DeregisterRequestSchema, create(DeregisterRequestSchema, { leaseId })));
  }

  #finishClosing(): void {
    this.#options.wheel.disarm(this.#timer);
    this.#options.wheel.disarm(this.#deadline);
    this.#closing?.();
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
    const { wheel } = this.#options;
    wheel.disarm(this.#deadline);
    this.#call = null;
    if (status.code === 0 && this.#leaseId === '' && this.#method === 'Register') {
      const fault = this.#takeLease();
      if (fault !== '') status = { code: internal, message: `the answer to Register ${fault}` };
    }
    if (this.#closing !== null) {
      if (this.#method === 'Register') this.#deregister();
      else this.#finishClosing();
      return;
    }
    if (status.code === 0) {
      this.#failures = 0;
      wheel.arm(this.#timer, (this.#ttlSeconds * 1000) / 3);
    } else this.#onFailure(status);
  }

  /** Takes lease and its life from the answer; gives what is wrong with it, or ''. It comes from a peer: it may be anything. */
  #takeLease(): string {
    if (this.#answer === null) return 'is missing';
    let response: RegisterResponse;
    try {
      response = fromBinary(RegisterResponseSchema, this.#answer);
    } catch (error) {
      return `cannot be read: ${(error as Error).message}`;
    }
    const { leaseId, ttlSeconds, warning } = response;
    if (leaseId === '') return 'has no lease';
    this.#leaseId = leaseId;
    this.#ttlSeconds = ttlSeconds > 0 ? Math.min(ttlSeconds, maxTtlSeconds) : defaultTtlSeconds;
    const { namespace, service: name, address, port, byTargetPort } = this.#instance;
    const place = byTargetPort && port === 0 ? `${address}, at the service's ports` : `${address}:${port}`;
    this.#options.log.info(`registered as an instance of ${namespace}/${name} at ${place}`);
    if (warning !== '') this.#options.onWarning?.(warning.slice(0, maxWarningLength).replaceAll(/[^\x20-\x7e]/g, ' '));
    return '';
  }

  #onFailure(status: GrpcStatus): void {
    const { wheel, log, random } = this.#options;
    const name = `${this.#instance.namespace}/${this.#instance.service}`;
    if (status.code === notFound && this.#leaseId !== '') {
      log.info(`the control plane no longer knows the lease of ${name}: registering again`);
      this.#leaseId = '';
      this.#displaced = false;
      this.#register();
      return;
    }
    if (status.code === alreadyExists && this.#method === 'Heartbeat') {
      // The name is not fought for: it is this instance's again when the other is gone.
      if (!this.#displaced) log.warn(`this instance of ${name} gets no calls: ${status.message}`);
      this.#displaced = true;
      wheel.arm(this.#timer, (this.#ttlSeconds * 1000) / 3);
      return;
    }
    this.#failures++;
    const backoffMs = growingPauseMs(this.#failures, firstBackoffMs, maxBackoffMs, random);
    const delayMs = refusals.has(status.code) ? refusalDelayMs : backoffMs;
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

  #begin(method: 'Register' | 'Heartbeat' | 'Deregister', message: Uint8Array): void {
    const { clusters, clusterName, wheel } = this.#options;
    this.#method = method;
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
    wheel.arm(this.#deadline, this.#closing === null ? callTimeoutMs : closeTimeoutMs);
    call.send(message);
    call.halfClose();
    call.start();
  }
}
