/** Sends batches to a Zipkin collector, as JSON of its API v2. */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { ZipkinProviderConfig } from '../../config/tracing-config.ts';
import type { ExportOutcome, ExportTransport } from '../../export/batch-exporter.ts';
import { type HttpPost, post } from '../../export/http-post.ts';
import type { Clock } from '../../runtime/clock.ts';
import { encodeZipkin } from './zipkin-message.ts';

export class ZipkinTransport implements ExportTransport {
  readonly #to: HttpPost;

  constructor(config: ZipkinProviderConfig, clusters: ClusterLookup, clock: Clock) {
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

  encode(spans: readonly Buffer[]): Buffer {
    return encodeZipkin(spans);
  }

  /** Each message has its own. */
  release(): void {}

  send(message: Buffer, done: (outcome: ExportOutcome) => void): { cancel(): void } {
    return post(this.#to, message, done);
  }
}
