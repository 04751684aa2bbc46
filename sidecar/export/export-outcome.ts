/** What an answer of a collector says of a batch: the same for all who send one. */
import type { HttpAnswer } from '../http-call/http-call.ts';
import type { ExportFailure, ExportOutcome } from './batch-exporter.ts';
import { decodeExportAnswer } from './export-answer.ts';

const mostWords = 256;

export function failure(reason: ExportFailure, why: string, retry: boolean, afterMs = 0): ExportOutcome {
  return { kind: 'failed', reason, why: why.replace(/\.$/, '').slice(0, mostWords), retry, afterMs };
}

/** Tried again: a configuration may bring it. */
export function noCluster(done: (outcome: ExportOutcome) => void): { cancel(): void } {
  done(failure('cluster', 'there is no such cluster', true));
  return { cancel: () => undefined };
}

/** Of an answer that says success. What cannot be read is not sent again: the collector may have taken it. */
export function takenOf(answer: Buffer): ExportOutcome {
  try {
    const { rejected, message } = decodeExportAnswer(answer);
    return { kind: 'taken', rejected, why: message };
  } catch (error) {
    return failure('answer', (error as Error).message, false);
  }
}

/** Statuses after which OTLP over HTTP says to try again; all others are for good. Zipkin says nothing, and is treated alike. */
const retryableStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Null: it is a success, and its body has the rest. */
export function httpFailure({ head }: HttpAnswer): ExportOutcome | null {
  if (head.status >= 200 && head.status < 300) return null;
  const seconds = Number(head.fields.get('retry-after') ?? '');
  const afterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
  return failure('status', `status ${head.status}`, retryableStatuses.has(head.status), afterMs);
}
