/** Sends batches by OTLP over gRPC (`Export` of a service), through a cluster of the sidecar's own. Source: opentelemetry.io/docs/specs/otlp, "OTLP/gRPC". Knows neither spans nor log records. */
import type { ClusterLookup } from '../cluster/upstream.ts';
import { GrpcCall, type GrpcStatus } from '../grpc/grpc-call.ts';
import { noPrefix, withPrefix } from '../grpc/grpc-message.ts';
import { formatGrpcTimeout } from '../router/request-timeout.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ExportOutcome, ExportTransport } from './batch-exporter.ts';
import { retryableStatuses } from './export-answer.ts';
import { failure, noCluster, takenOf } from './export-outcome.ts';
import { MessageMemory, type WriteMessage } from './message-memory.ts';

const mostAnswerBytes = 64 * 1024;

export interface OtlpGrpcTarget {
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly cluster: string;
  readonly authority: string;
  /** Of the method. */
  readonly path: string;
  readonly metadata: ReadonlyArray<readonly [string, string]>;
  /** For one call; the collector is told. */
  readonly timeoutMs: number;
}

export class OtlpGrpcTransport implements ExportTransport {
  readonly #to: OtlpGrpcTarget;
  readonly #write: WriteMessage;
  readonly #metadata: ReadonlyArray<readonly [string, string]>;
  readonly #memory = new MessageMemory();

  constructor(to: OtlpGrpcTarget, write: WriteMessage) {
    this.#to = to;
    this.#write = write;
    this.#metadata = [...to.metadata, ['grpc-timeout', formatGrpcTimeout(to.timeoutMs)]];
  }

  /** With the prefix of a gRPC message. */
  encode(items: readonly Buffer[]): Buffer {
    const out = this.#memory.take();
    out.encoded(noPrefix);
    this.#write(out, items);
    return withPrefix(out.finish());
  }

  release(): void {
    this.#memory.release();
  }

  send(message: Buffer, done: (outcome: ExportOutcome) => void): { cancel(): void } {
    const { clusters, clock, authority, path } = this.#to;
    const cluster = clusters.cluster(this.#to.cluster);
    if (cluster === undefined) return noCluster(done);
    let answer: Buffer | null = null;
    const call = new GrpcCall(
      { cluster, path, authority, metadata: this.#metadata, maxMessageBytes: mostAnswerBytes, clock },
      {
        onMessage: (received) => {
          // Read buffers are lent for the time of this call.
          answer ??= Buffer.from(received);
        },
        onEnd: (status) => done(outcomeOf(status, answer)),
      },
    );
    call.sendFramed(message);
    call.halfClose();
    call.start();
    return call;
  }
}

function outcomeOf({ code, message }: GrpcStatus, answer: Buffer | null): ExportOutcome {
  if (code === 0) return takenOf(answer ?? Buffer.alloc(0));
  const why = `gRPC status ${code}${message === '' ? '' : `: ${message}`}`;
  // UNAVAILABLE is also what a call says that never reached anybody; INTERNAL and UNKNOWN what it says of an answer that is not gRPC.
  const reason = code === 14 ? 'connection' : code === 13 || code === 2 ? 'answer' : 'status';
  return failure(reason, why, retryableStatuses.has(code));
}
