/** One batch as the body of a POST, through a cluster of the sidecar's own. */
import type { ClusterLookup } from '../cluster/upstream.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import { RequestHead } from '../codec/message-head.ts';
import { type HttpAnswer, HttpCall } from '../http-call/http-call.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ExportOutcome } from './batch-exporter.ts';
import { failure, httpFailure, noCluster } from './export-outcome.ts';

const mostAnswerBytes = 64 * 1024;

export interface HttpPost {
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
  readonly cluster: string;
  readonly authority: string;
  readonly path: string;
  readonly contentType: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  /** Of an answer that says success. */
  readonly judge: (answer: HttpAnswer) => ExportOutcome;
}

export function post(to: HttpPost, body: Buffer, done: (outcome: ExportOutcome) => void): { cancel(): void } {
  const { clusters, clock, authority, path, contentType, headers, judge } = to;
  const cluster = clusters.cluster(to.cluster);
  if (cluster === undefined) return noCluster(done);
  const fields = HeaderFields.of(['content-type', contentType], ['content-length', String(body.length)]);
  for (const [name, value] of headers) fields.set(headerName(name), value);
  const request = new RequestHead('POST', 'http', authority, path, '1.1', fields);
  const call = new HttpCall(
    cluster,
    request,
    mostAnswerBytes,
    clock,
    {
      onAnswer: (answer) => done(httpFailure(answer) ?? judge(answer)),
      onFailed: ({ message }) => done(failure('connection', message, true)),
    },
    body,
  );
  call.start();
  return call;
}
