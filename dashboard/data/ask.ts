/** Calls of the control plane that this page came from. What went wrong is an AskFault in words; nothing is ever asked of another place. */
import { forgetToken, token } from './token.ts';

export type FaultKind = 'away' | 'missing' | 'token' | 'refused' | 'stale' | 'failed';

export class AskFault extends Error {
  readonly kind: FaultKind;

  constructor(kind: FaultKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

const patienceMs = 8_000;

/** JSON of `/api/v1/<path>`. Rejects with an AskFault, or when it is given up by the signal. */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await call(path, {}, signal)).json() as Promise<T>;
}

/** Changes something, or reads what is not for everybody: takes the local token. `proof`: another one than is kept. */
export async function act<T>(path: string, body: unknown, proof: string = token()): Promise<T> {
  const response = await call(path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: bearer(proof),
    },
    body: JSON.stringify(body),
  });
  return response.json() as Promise<T>;
}

/** What comes without an end; takes the local token. The signal alone ends it. */
export async function openStream(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await call(path, { headers: { authorization: bearer(token()) } }, signal, false);
  return response.body!;
}

function bearer(proof: string): string {
  return `Bearer ${/^[\x21-\x7e]+$/.test(proof) ? proof : 'none'}`;
}

async function call(path: string, init: RequestInit, signal?: AbortSignal, patient = true): Promise<Response> {
  const limit = patient ? AbortSignal.timeout(patienceMs) : new AbortController().signal;
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      ...init,
      redirect: 'error',
      signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new AskFault('away', 'The control plane does not answer.');
  }
  if (response.ok) return response;
  const text = faultText(await response.text().catch(() => ''));
  if (response.status === 401) {
    forgetToken();
    throw new AskFault('token', 'This takes the local token of the control plane: unlock changes first.');
  }
  if (response.status === 404) throw new AskFault('missing', text || `The control plane has no /api/v1/${path}.`);
  if (response.status === 409) throw new AskFault('stale', text);
  if (response.status >= 500) throw new AskFault('failed', text || `The control plane answered ${response.status}.`);
  throw new AskFault('refused', text || `The control plane answered ${response.status}.`);
}

/** Plain text, or JSON with `error`. */
function faultText(text: string): string {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown };
    if (typeof error === 'string') return error;
  } catch {
    // Plain text.
  }
  return text.trim();
}
