/** Asks a sidecar's admin port, or Envoy's. */
import { request } from 'node:http';
import { connectionFault } from './connection-fault.ts';
import { formatHostPort, type HostPort } from './host-port.ts';
import { UserError } from './user-error.ts';

const timeoutMs = 5_000;

export interface SidecarAnswer {
  readonly status: number;
  readonly body: string;
  /** That machine's clock, to the second; NaN: it does not say. */
  readonly clockMs: number;
}

/** An answer of any status. Rejects with a UserError when there is none. */
export function sidecarAnswer(address: HostPort, path: string): Promise<SidecarAnswer> {
  return ask(address, 'GET', path, {});
}

/** Not by fetch, which calls no port that browsers keep away from. */
function ask(
  { host, port }: HostPort,
  method: 'GET' | 'POST',
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<SidecarAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({ host, port, path, method, headers, timeout: timeoutMs }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('error', (error) => call.destroy(error));
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body, clockMs: Date.parse(response.headers.date ?? '') }),
      );
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', (error) => reject(noSidecar(formatHostPort({ host, port }), connectionFault(error))));
    call.end();
  });
}

/** The JSON of an answer 200. Rejects with a UserError. */
export async function sidecarJson(address: HostPort, path: string): Promise<unknown> {
  const at = formatHostPort(address);
  const { status, body } = await sidecarAnswer(address, path);
  if (status !== 200) throw noSidecar(at, `it answers ${status}`);
  try {
    return JSON.parse(body);
  } catch {
    throw noSidecar(at, 'what answers there sends no JSON');
  }
}

/** Changes something there. `token`: lets another machine do that; '': none. The answer's body; rejects with a UserError when it is not 200. */
export async function sidecarPost(address: HostPort, path: string, token: string): Promise<string> {
  const { status, body } = await ask(address, 'POST', path, token === '' ? {} : { authorization: `Bearer ${token}` });
  if (status === 200) return body;
  throw new UserError(body.trim() || `the sidecar at ${formatHostPort(address)} answered ${status}`);
}

export function noSidecar(at: string, why: string): UserError {
  return new UserError(`no sidecar's admin port at ${at} (${why}); name it with --sidecar-admin`);
}
