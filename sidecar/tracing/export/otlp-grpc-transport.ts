/** Sends batches by OTLP over gRPC (`TraceService/Export`), through a cluster of the sidecar's own. Source: opentelemetry.io/docs/specs/otlp, "OTLP/gRPC". */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { OpenTelemetryProviderConfig } from '../../config/tracing-config.ts';
import { GrpcCall, type GrpcStatus } from '../../grpc/grpc-call.ts';
import { noPrefix, withPrefix } from '../../grpc/grpc-message.ts';
import { retryableStatuses } from '../../otlp/export-answer.ts';
import { formatGrpcTimeout } from '../../router/request-timeout.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Span } from '../span.ts';
import type { ExportOutcome } from './batch-exporter.ts';
import { failure, noCluster, takenOf } from './export-outcome.ts';
import { MessageMemory } from './message-memory.ts';
import { encodeSpan, type OtlpResource, writeTraces } from './otlp-trace-message.ts';
import type { SpanTransport } from './span-queue.ts';

const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const mostAnswerBytes = 64 * 1024;

export class OtlpGrpcTransport implements SpanTransport {
  readonly #config: OpenTelemetryProviderConfig;
  readonly #resource: OtlpResource;
  readonly #clusters: ClusterLookup;
  readonly #clock: Clock;
  readonly #memory = new MessageMemory();
  readonly #metadata: ReadonlyArray<readonly [string, string]>;

  constructor(config: OpenTelemetryProviderConfig, resource: OtlpResource, clusters: ClusterLookup, clock: Clock) {
    this.#config = config;
    this.#resource = resource;
    this.#clusters = clusters;
    this.#clock = clock;
    this.#metadata = [...config.headers, ['grpc-timeout', formatGrpcTimeout(config.timeoutMs)]];
  }

  encodeSpan(span: Span): Buffer {
    return encodeSpan(span);
  }

  /** With the prefix of a gRPC message. */
  encode(spans: readonly Buffer[]): Buffer {
    const out = this.#memory.take();
    out.encoded(noPrefix);
    writeTraces(out, spans, this.#resource);
    return withPrefix(out.finish());
  }

  release(): void {
    this.#memory.release();
  }

  send(message: Buffer, done: (outcome: ExportOutcome) => void): { cancel(): void } {
    const cluster = this.#clusters.cluster(this.#config.cluster);
    if (cluster === undefined) return noCluster(done);
    let answer: Buffer | null = null;
    const call = new GrpcCall(
      {
        cluster,
        path,
        authority: this.#config.authority,
        metadata: this.#metadata,
        maxMessageBytes: mostAnswerBytes,
        clock: this.#clock,
      },
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
