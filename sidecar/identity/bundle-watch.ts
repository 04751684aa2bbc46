/**
 * Watches the trust bundles (IdentityService/WatchBundle), and says which one is applied and who signed the certificate in use: what a root rotation waits for. The stream is opened again whenever it ends,
 * and at once on a new connection when the one that it is on gets a successor. Judges nothing: that is its owner's.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ClusterLookup } from '../cluster/upstream.ts';
import { GrpcCall, type GrpcCallOwner, type GrpcStatus } from '../grpc/grpc-call.ts';
import type { Random } from '../runtime/clock.ts';
import { growingPauseMs } from '../runtime/growing-pause.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import {
  WatchBundleRequestSchema,
  type WatchBundleResponse,
  WatchBundleResponseSchema,
} from '../xds/api/outrigger/identity/v1/identity_pb.js';

export interface BundleWatchInit {
  readonly clusters: ClusterLookup;
  readonly clusterName: string;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  /** `authority_id` of the certificate in use. */
  readonly certificateAuthorityId: () => string;
  /** Takes what came; gives the sequence of our own bundle that is in use now. Throws when it cannot be used: then nothing is confirmed. */
  readonly take: (response: WatchBundleResponse) => bigint;
  /** The stream was refused, or broken off before an answer: it may be that the certificate is not good there any more. */
  readonly onRefused: (why: string) => void;
}

/** gRPC status UNAUTHENTICATED. */
const unauthenticated = 16;

const maxMessageBytes = 16 * 1024 * 1024;
const firstBackoffMs = 500;
const maxBackoffMs = 30_000;
/** How long the end of a sidecar waits until its goodbye was heard. */
const farewellMs = 500;

export class BundleWatch implements GrpcCallOwner, TimerTarget {
  readonly #init: BundleWatchInit;
  readonly #timer: WheelTimer;
  #call: GrpcCall | null = null;
  #answered = false;
  #appliedSequence = 0n;
  #failures = 0;
  #closed = false;
  /** It has said goodbye, and waits for the answer. */
  #onLeft: (() => void) | null = null;

  constructor(init: BundleWatchInit) {
    this.#init = init;
    this.#timer = new WheelTimer(this);
  }

  /** Opens the stream; not when it is open already. */
  start(): void {
    if (this.#closed || this.#call !== null) return;
    const { clusters, clusterName, wheel } = this.#init;
    wheel.disarm(this.#timer);
    this.#answered = false;
    this.#appliedSequence = 0n;
    const cluster = clusters.cluster(clusterName);
    if (cluster === undefined) {
      this.onEnd({ code: 14, message: `there is no cluster ${clusterName}` });
      return;
    }
    const path = '/outrigger.identity.v1.IdentityService/WatchBundle';
    this.#call = new GrpcCall({ cluster, path, authority: clusterName, metadata: [], maxMessageBytes }, this);
    this.#report();
    this.#call.start();
  }

  /** The certificate in use is another one. */
  certificateChanged(): void {
    if (this.#answered) this.#report();
  }

  close(): void {
    this.#closed = true;
    this.#init.wheel.disarm(this.#timer);
    this.#call?.cancel();
    this.#call = null;
    this.#onLeft?.();
    this.#onLeft = null;
  }

  /** Says goodbye, so that no rotation waits for this sidecar: it serves nobody any more. `onLeft`, once: it was heard, or there is nobody to hear it now. */
  leave(onLeft: () => void): void {
    this.#onLeft = onLeft;
    if (this.#call === null || !this.#answered) {
      this.close();
      return;
    }
    this.#closed = true;
    this.#report(true);
    this.#call.halfClose();
    this.#init.wheel.arm(this.#timer, farewellMs);
  }

  onTimer(): void {
    if (this.#onLeft !== null) this.close();
    else this.start();
  }

  onMessage(message: Buffer): void {
    if (this.#closed) return;
    this.#answered = true;
    this.#failures = 0;
    try {
      this.#appliedSequence = this.#init.take(fromBinary(WatchBundleResponseSchema, message));
    } catch (error) {
      this.#init.log.warn(
        `the trust bundles that the control plane sent cannot be used, those from before go on: ${(error as Error).message}`,
      );
    }
    this.#report();
  }

  onDraining(): void {
    // A goodbye is heard on this connection too.
    if (this.#closed) return;
    this.#call?.cancel();
    this.#call = null;
    this.start();
  }

  onEnd({ code, message }: GrpcStatus): void {
    const began = this.#call?.began === true;
    this.#call = null;
    if (this.#onLeft !== null) this.close();
    if (this.#closed) return;
    const { wheel, random, log } = this.#init;
    if (code === unauthenticated || (began && !this.#answered)) this.#init.onRefused(message || `gRPC status ${code}`);
    // One that was answered and ended is normal; but not all sidecars come back in the same moment.
    if (this.#answered) {
      wheel.arm(this.#timer, firstBackoffMs * random());
      return;
    }
    const delayMs = growingPauseMs(this.#failures, firstBackoffMs, maxBackoffMs, random);
    this.#failures++;
    if (this.#failures === 1)
      log.info(`cannot watch the trust bundles (${message || `gRPC status ${code}`}); trying again`);
    wheel.arm(this.#timer, delayMs);
  }

  #report(leaving = false): void {
    const request = create(WatchBundleRequestSchema, {
      appliedSequence: this.#appliedSequence,
      certificateAuthorityId: this.#init.certificateAuthorityId(),
      leaving,
    });
    this.#call?.send(toBinary(WatchBundleRequestSchema, request));
  }
}
