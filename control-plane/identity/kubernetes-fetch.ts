/** HTTPS to the Kubernetes API server, judged by the cluster's CA, as TokenReview wants it. The CA file is read each time: it changes, and reviews are rare. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import type { TokenReviewAnswer, TokenReviewOptions } from './token-review.ts';

const maxAnswerBytes = 1024 * 1024;

export function kubernetesFetch(caFile: string): TokenReviewOptions['fetch'] {
  return (url, { method, headers, body, signal }) =>
    new Promise<TokenReviewAnswer>((resolve, reject) => {
      const call = request(
        url,
        {
          method,
          headers: { ...headers, 'content-length': Buffer.byteLength(body) },
          ca: readFileSync(caFile),
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
