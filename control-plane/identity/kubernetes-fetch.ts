/** HTTPS to the Kubernetes API server, judged by the cluster's CA, as TokenReview wants it. The CA is read each time: its file changes, and reviews are rare. */
import { request } from 'node:https';
import type { TokenReviewAnswer, TokenReviewOptions } from './token-review.ts';

const maxAnswerBytes = 1024 * 1024;

export interface KubernetesTrust {
  /** PEM; null: the system's authorities. */
  readonly ca: () => string | null;
  /** Name that the API server's certificate has to have; null: the URL's. */
  readonly serverName?: string | null;
  /** Its certificate is not looked at. Default: false. */
  readonly insecure?: boolean;
}

export function kubernetesFetch({
  ca,
  serverName = null,
  insecure = false,
}: KubernetesTrust): TokenReviewOptions['fetch'] {
  return (url, { method, headers, body, signal }) =>
    new Promise<TokenReviewAnswer>((resolve, reject) => {
      const trusted = ca();
      const call = request(
        url,
        {
          method,
          headers: { ...headers, 'content-length': Buffer.byteLength(body) },
          ...(trusted === null ? {} : { ca: trusted }),
          ...(serverName === null ? {} : { servername: serverName }),
          rejectUnauthorized: !insecure,
          signal,
          agent: false,
        },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > maxAnswerBytes) response.destroy(new Error('the answer is too long'));
            else chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({ status: response.statusCode ?? 0, text: () => Promise.resolve(text) });
          });
        },
      );
      call.on('error', reject);
      call.end(body);
    });
}
