/**
 * Keeps a stream to the control plane on which it may ask this sidecar about its traffic (outrigger.observe.v1), so that no port of the sidecar has to be reachable. What is asked is answered by query-answers.ts.
 * Nobody's traffic depends on it: it is opened again with growing pauses, and of a control plane that does not know it only seldom, without a word.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ClusterLookup } from '../cluster/upstream.ts';
import { GrpcCall, type GrpcCallOwner, type GrpcStatus } from '../grpc/grpc-call.ts';
import type { Clock, Random } from '../runtime/clock.ts';
import { growingPauseMs } from '../runtime/growing-pause.ts';
import type { Log } from '../runtime/log.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { type Query, QuerySchema, ReportSchema } from '../xds/api/outrigger/observe/v1/observe_pb.js';
import { QueryAnswers, type QuerySources } from './query-answers.ts';
import type { AnswerPart } from './running-query.ts';

export interface ObservationInit {
  readonly clusters: ClusterLookup;
  /** That leads to the control plane. */
  readonly clusterName: string;
  readonly node: { readonly id: string; readonly cluster: string };
  readonly sources: QuerySources;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
}

const path = '/outrigger.observe.v1.ObserveService/Attend';
const unimplemented = 12;
const permissionDenied = 7;
/** Of queries. */
const maxMessageBytes = 64 * 1024;
const firstBackoffMs = 500;
const maxBackoffMs = 30_000;
/** Of who does not know the service: it may be another program soon. */
const unknownServiceMs = 600_000;
/** After which a stream counts as one that worked. */
const settledMs = 10_000;

export class Observation implements GrpcCallOwner, TimerTarget {
  readonly #init: ObservationInit;
  readonly #timer: WheelTimer;
  #call: GrpcCall | null = null;
  #answers: QueryAnswers | null = null;
  #openedMs = 0;
  #failures = 0;
  #closed = false;

  constructor(init: ObservationInit) {
    this.#init = init;
    this.#timer = new WheelTimer(this);
  }

  /** Opens the stream; not when it is open already. */
  start(): void {
    if (this.#closed || this.#call !== null) return;
    const { clusters, clusterName, node, sources, clock, wheel } = this.#init;
    wheel.disarm(this.#timer);
    const cluster = clusters.cluster(clusterName);
    if (cluster === undefined) {
      this.onEnd({ code: 14, message: `there is no cluster ${clusterName}` });
      return;
    }
    const call = new GrpcCall({ cluster, path, authority: clusterName, metadata: [], maxMessageBytes }, this);
    this.#call = call;
    this.#openedMs = clock.nowMs();
    this.#answers = new QueryAnswers({
      ...{ sources, clock, wheel },
      answer: (queryId, part) => call.send(encodeAnswer(queryId, part)),
      blocked: () => call.writeBlocked,
    });
    const hello = create(ReportSchema, {
      report: { case: 'hello', value: { nodeId: node.id, nodeCluster: node.cluster } },
    });
    call.send(toBinary(ReportSchema, hello));
    call.start();
  }

  close(): void {
    this.#closed = true;
    this.#init.wheel.disarm(this.#timer);
    this.#call?.cancel();
    this.#over();
  }

  onTimer(): void {
    this.start();
  }

  onMessage(message: Buffer): void {
    this.#answers?.onQuery(fromBinary(QuerySchema, message) as Query);
  }

  onDraining(): void {
    if (this.#closed) return;
    this.#call?.cancel();
    this.#over();
    this.start();
  }

  onEnd({ code, message }: GrpcStatus): void {
    const settled = this.#call !== null && this.#init.clock.nowMs() - this.#openedMs >= settledMs;
    this.#over();
    if (this.#closed) return;
    const { wheel, random, log } = this.#init;
    if (settled) this.#failures = 0;
    const backoffMs = growingPauseMs(this.#failures, firstBackoffMs, maxBackoffMs, random);
    this.#failures++;
    // That a control plane is away others say; that it does not want this one nobody else does.
    if (code === permissionDenied && this.#failures === 1)
      log.warn(
        `the control plane takes no reports of this sidecar: ${message}; explain, tap and top know nothing of it`,
      );
    else if (code !== unimplemented) log.debug(`the stream of observation ended (${message || `gRPC status ${code}`})`);
    wheel.arm(this.#timer, code === unimplemented ? unknownServiceMs * (0.75 + random() / 2) : backoffMs);
  }

  #over(): void {
    this.#call = null;
    this.#answers?.close();
    this.#answers = null;
  }
}

function encodeAnswer(queryId: bigint, part: AnswerPart): Uint8Array {
  return toBinary(
    ReportSchema,
    create(ReportSchema, { report: { case: 'answer', value: { ...part, queryId } } } as Parameters<
      typeof create<typeof ReportSchema>
    >[1]),
  );
}
