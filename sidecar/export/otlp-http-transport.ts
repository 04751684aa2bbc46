/** Sends batches by OTLP over HTTP, as binary protobuf (`POST /v1/traces`). Source: opentelemetry.io/docs/specs/otlp, "OTLP/HTTP". Does not know what is in them. */
import type { ExportOutcome, ExportTransport } from './batch-exporter.ts';
import { failure, takenOf } from './export-outcome.ts';
import { type HttpPost, post } from './http-post.ts';
import { MessageMemory, type WriteMessage } from './message-memory.ts';

const protobuf = 'application/x-protobuf';

export class OtlpHttpTransport implements ExportTransport {
  readonly #to: HttpPost;
  readonly #write: WriteMessage;
  readonly #memory = new MessageMemory();

  constructor(to: Omit<HttpPost, 'contentType' | 'judge'>, write: WriteMessage) {
    this.#write = write;
    this.#to = {
      ...to,
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

  encode(items: readonly Buffer[]): Buffer {
    const out = this.#memory.take();
    this.#write(out, items);
    return out.finish();
  }

  release(): void {
    this.#memory.release();
  }

  send(message: Buffer, done: (outcome: ExportOutcome) => void): { cancel(): void } {
    return post(this.#to, message, done);
  }
}
