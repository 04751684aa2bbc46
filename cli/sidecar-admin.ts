/** Reads a sidecar's admin port. */
import { connectionFault } from './connection-fault.ts';
import { formatHostPort, type HostPort } from './host-port.ts';
import { UserError } from './user-error.ts';

const timeoutMs = 5_000;

/** An answer of any status. Rejects with a UserError when there is none. */
export async function sidecarAnswer(
  address: HostPort,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const at = formatHostPort(address);
  try {
    const response = await fetch(`http://${at}${path}`, { signal: AbortSignal.timeout(timeoutMs) });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    throw noSidecar(at, connectionFault((error as Error).cause ?? error));
  }
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

export function noSidecar(at: string, why: string): UserError {
  return new UserError(`no sidecar's admin port at ${at} (${why}); name it with --admin`);
}
