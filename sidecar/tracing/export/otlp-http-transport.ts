/** Sends batches by OTLP over HTTP, as binary protobuf (`POST /v1/traces`). Source: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP". */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { OpenTelemetryProviderConfig } from '../../config/tracing-config.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Span } from '../span.ts';
import type { ExportOutcome } from './batch-exporter.ts';
import { failure, takenOf } from './export-outcome.ts';
import { type HttpPost, post } from './http-post.ts';
import { MessageMemory } from './message-memory.ts';
import { encodeSpan, type OtlpResource, writeTraces } from './otlp-trace-message.ts';
import type { SpanTransport } from './span-queue.ts';

const protobuf = 'application/x-protobuf';

export class OtlpHttpTransport implements SpanTransport {
  readonly #resource: OtlpResource;
  readonly #to: HttpPost;
  readonly #memory = new MessageMemory();

  constructor(config: OpenTelemetryProviderConfig, resource: OtlpResource, clusters: ClusterLookup, clock: Clock) {
    this.#resource = resource;
    const { cluster, authority, path, headers } = config;
    this.#to = {
      ...{ clusters, clock, cluster, authority, path, headers },
      contentType: protobuf,
      judge: ({ head, body }) => {
        if (body === null) return failure('answer', 'the answer is longer than 64 KiB', false);
        const type = head.fields.get('content-type') ?? '';
        // An answer in JSON would be about the same few words; who is not asked for it does not send it.
        if (body.length > 0 && !type.startsWith(protobuf))
          return failure(
            'answer',
            `the answer is ${type === '' ? 'of no type' : JSON.stringify(type)}, not OTLP`,
            false,
          );
        return takenOf(body);
      },
    };
  }

  encodeSpan(span: Span): Buffer {
    return encodeSpan(span);
  }

  encode(spans: readonly Buffer[]): Buffer {
    const out = this.#memory.take();
    writeTraces(out, spans, this.#resource);
    return out.finish();
  }

  release(): void {
    this.#memory.release();
  }

  send(message: Buffer, done: (outcome: ExportOutcome) => void): { cancel(): void } {
    return post(this.#to, message, done);
  }
}
