/** `outrigger wait` and `outrigger drain`: what Kubernetes runs inside of the sidecar's container when a pod begins and when it ends. Both ask the sidecar's admin port. */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectionFault } from '../connection-fault.ts';
import { formatHostPort, type HostPort, parseHostPort } from '../host-port.ts';
import { parseDuration } from '../parse-duration.ts';
import { noSidecar, sidecarAnswer } from '../sidecar-admin.ts';
import { UserError } from '../user-error.ts';

export interface PodHookOptions {
  readonly admin: string;
  readonly timeout: string;
}

const askMs = 200;
const longestMs = 3_600_000;

/** Comes back when the sidecar is ready. Rejects with a UserError that says what it waits for. */
export async function wait({ admin, timeout }: PodHookOptions): Promise<void> {
  const address = parseHostPort('--admin', admin);
  const untilMs = performance.now() + parseDuration('--timeout', timeout, 1_000, longestMs);
  for (;;) {
    let why: string;
    try {
      const { status, body } = await sidecarAnswer(address, '/ready');
      if (status === 200) return;
      why = body.trim();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      why = error.message;
    }
    if (performance.now() >= untilMs)
      throw new UserError(`the sidecar at ${formatHostPort(address)} is not ready after ${timeout}: ${why}`);
    await sleep(askMs);
  }
}

/** Comes back when the sidecar has left the mesh, and callers have their answers. */
export function drain({ admin, timeout }: PodHookOptions): Promise<void> {
  return post(
    parseHostPort('--admin', admin),
    '/leave',
    parseDuration('--timeout', timeout, 1_000, longestMs + 60_000),
  );
}

function post(address: HostPort, path: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const call = request({ ...address, path, method: 'POST', agent: false, signal }, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      response.once('end', () =>
        statusCode === 200 ? resolve() : reject(noSidecar(formatHostPort(address), `it answers ${statusCode}`)),
      );
    });
    call.once('error', (error) =>
      reject(
        signal.aborted
          ? new UserError(`the sidecar at ${formatHostPort(address)} has requests in hand after ${timeoutMs / 1000} s`)
          : noSidecar(formatHostPort(address), connectionFault(error)),
      ),
    );
    call.end();
  });
}
