/** Sends batches to a Zipkin collector, as JSON of its API v2. */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { ZipkinProviderConfig } from '../../config/tracing-config.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Span } from '../span.ts';
import type { ExportOutcome } from './batch-exporter.ts';
import { type HttpPost, post } from './http-post.ts';
import type { SpanTransport } from './span-queue.ts';
import { encodeZipkin, encodeZipkinSpan } from './zipkin-message.ts';

export class ZipkinTransport implements SpanTransport {
  readonly #serviceName: string;
  readonly #to: HttpPost;

  constructor(config: ZipkinProviderConfig, serviceName: string, clusters: ClusterLookup, clock: Clock) {
    this.#serviceName = serviceName;
    const { cluster, hostname, path } = config;
    this.#to = {
      ...{ clusters, clock, cluster, path },
      authority: hostname === '' ? cluster : hostname,
      contentType: 'application/json',
      headers: [],
      // 202 without a body; whatever else it says is not looked at.
      judge: () => ({ kind: 'taken', rejected: 0, why: '' }),
    };
  }

  encodeSpan(span: Span): Buffer {
    return encodeZipkinSpan(span, this.#serviceName);
  }

  encode(spans: readonly Buffer[]): Buffer {
    return encodeZipkin(spans);
  }

  /** Each message has its own. */
  release(): void {}

  send(message: Buffer, done: (outcome: ExportOutcome) => void): { cancel(): void } {
    return post(this.#to, message, done);
  }
}
