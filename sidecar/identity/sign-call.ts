/** One IdentityService/Sign, from request to checked answer or one reason why not, within a time limit. Ends once. */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { buildCertificationRequest } from '../../certs/x509/certification-request.ts';
import type { ClusterLookup } from '../cluster/upstream.ts';
import { GrpcCall, type GrpcCallOwner, type GrpcStatus } from '../grpc/grpc-call.ts';
import type { Clock } from '../runtime/clock.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { SignRequestSchema, SignResponseSchema } from '../xds/api/outrigger/identity/v1/identity_pb.js';
import { type Issued, type OwnKey, readIssued } from './own-certificate.ts';

export interface SignInit {
  readonly clusters: ClusterLookup;
  readonly clusterName: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly key: OwnKey;
  readonly trustDomain: string;
  /** '': the proof's only one. */
  readonly wantedId: string;
  readonly proof: NonNullable<MessageInitShape<typeof SignRequestSchema>['proof']>;
}

export type SignOutcome =
  | ({ readonly ok: true } & Issued)
  /** `refused`: it was answered with no. `proofDenied`: and it is the proof that is not good for this. */
  | { readonly ok: false; readonly refused: boolean; readonly proofDenied?: boolean; readonly why: string };

const timeLimitMs = 10_000;
const maxMessageBytes = 1024 * 1024;
/** PERMISSION_DENIED, UNAUTHENTICATED. */
const denials: ReadonlySet<number> = new Set([7, 16]);
const invalidArgument = 3;

export class SignCall implements GrpcCallOwner, TimerTarget {
  readonly #init: SignInit;
  readonly #onOutcome: (outcome: SignOutcome) => void;
  readonly #deadline: WheelTimer;
  #call: GrpcCall | null = null;
  #answer: Buffer | null = null;

  constructor(init: SignInit, onOutcome: (outcome: SignOutcome) => void) {
    this.#init = init;
    this.#onOutcome = onOutcome;
    this.#deadline = new WheelTimer(this);
  }

  /** The outcome may be told from inside this call. */
  start(): void {
    const { clusters, clusterName, wheel, key, wantedId, proof } = this.#init;
    const cluster = clusters.cluster(clusterName);
    if (cluster === undefined) {
      this.#onOutcome({ ok: false, refused: false, why: `there is no cluster ${clusterName}` });
      return;
    }
    const request = create(SignRequestSchema, {
      certificationRequest: buildCertificationRequest(key.privateKey, key.publicKey),
      spiffeId: wantedId,
      proof,
    });
    const call = new GrpcCall(
      {
        cluster,
        path: '/outrigger.identity.v1.IdentityService/Sign',
        authority: clusterName,
        metadata: [],
        maxMessageBytes,
      },
      this,
    );
    this.#call = call;
    wheel.arm(this.#deadline, timeLimitMs);
    call.send(toBinary(SignRequestSchema, request));
    call.halfClose();
    call.start();
  }

  /** Nothing is told any more. */
  cancel(): void {
    this.#init.wheel.disarm(this.#deadline);
    this.#call?.cancel();
    this.#call = null;
  }

  onTimer(): void {
    this.cancel();
    this.#onOutcome({ ok: false, refused: false, why: `no answer within ${timeLimitMs / 1000} s` });
  }

  onMessage(message: Buffer): void {
    this.#answer = message;
  }

  onEnd({ code, message }: GrpcStatus): void {
    if (this.#call === null) return;
    this.#init.wheel.disarm(this.#deadline);
    this.#call = null;
    this.#onOutcome(
      code === 0
        ? this.#read()
        : {
            ok: false,
            refused: denials.has(code) || code === invalidArgument,
            proofDenied: denials.has(code),
            why: message.replace(/\.$/, '') || `gRPC status ${code}`,
          },
    );
  }

  #read(): SignOutcome {
    const { key, trustDomain, wantedId, clock } = this.#init;
    if (this.#answer === null) return { ok: false, refused: false, why: 'the answer is empty' };
    try {
      const response = fromBinary(SignResponseSchema, this.#answer);
      return { ok: true, ...readIssued(response, key, { trustDomain, id: wantedId }, clock.wallMs()) };
    } catch (error) {
      return { ok: false, refused: false, why: `the answer cannot be used: ${(error as Error).message}` };
    }
  }
}
