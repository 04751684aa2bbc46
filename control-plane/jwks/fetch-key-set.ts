/** One look at a JWKS URI: bounded in time and size, no redirects, and only a set that tokens can be verified with counts. */
import { keySetFault, maxKeySetBytes } from '../config-kind/key-set-text.ts';

/** What of the platform's `fetch` is needed. */
export type FetchUrl = (
  url: string,
  init: { readonly signal: AbortSignal; readonly redirect: 'error'; readonly headers: Record<string, string> },
) => Promise<{
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array> | null;
}>;

/** The text; rejects with a reason in one line. */
export async function fetchKeySet(fetchUrl: FetchUrl, uri: string, signal: AbortSignal): Promise<string> {
  const { status, body } = await fetchUrl(uri, {
    signal,
    // A redirect could lead from https to anywhere.
    redirect: 'error',
    headers: { accept: 'application/jwk-set+json, application/json' },
  });
  if (status !== 200) throw new Error(`the answer has status ${status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    // Leaving the loop ends the transfer.
    if (bytes > maxKeySetBytes) throw new Error(`the answer is larger than ${maxKeySetBytes} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const fault = keySetFault(text);
  if (fault !== null) throw new Error(`the answer ${fault}`);
  return text;
}
