/** Asks the control plane's admin port about live traffic: its answers are JSON also where they say what is wrong. */
import { request } from 'node:http';
import { readLocalToken } from '../admin-call.ts';
import { isOurs, notOurs } from '../commands/get.ts';
import { connectionFault } from '../connection-fault.ts';
import type { HostPort } from '../host-port.ts';
import { UserError } from '../user-error.ts';

export interface LiveAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Sidecars have two seconds to answer it, twice. */
const timeoutMs = 10_000;

/** `parameters`: undefined and '' are left out. */
export function livePath(
  path: string,
  parameters: Readonly<Record<string, string | readonly string[] | undefined>>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    for (const each of typeof value === 'string' ? [value] : (value ?? [])) if (each !== '') query.append(name, each);
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** An answer of 200, or of the statuses in `also`. Rejects with a UserError that says what is wrong. */
export function liveJson(address: HostPort, path: string, also: readonly number[] = []): Promise<LiveAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: address.host, port: address.port, path, timeout: timeoutMs }, (response) => {
      const { statusCode: status = 0, headers } = response;
      let text = '';
      response.setEncoding('utf8');
      response.on('error', (error) => call.destroy(error));
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        if (!isOurs(headers)) reject(new UserError(notOurs(address, status)));
        else if (status === 200 || also.includes(status)) {
          const body = parsed(text);
          if (body === undefined) reject(new UserError(notOurs(address, status)));
          else resolve({ status, body });
        } else reject(new UserError(faultIn(text, status)));
      });
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    call.on('error', (error) => reject(noControlPlane(address, error)));
    call.end();
  });
}

/** Lines of a tap, until `onLine` says false or the control plane ends it. Rejects with what `onLine` throws. */
export function liveLines(
  address: HostPort,
  path: string,
  dataDir: string | undefined,
  onLine: (line: Readonly<Record<string, unknown>>) => boolean,
): Promise<void> {
  const headers = { authorization: `Bearer ${readLocalToken(dataDir)}` };
  return new Promise((resolve, reject) => {
    const call = request({ host: address.host, port: address.port, path, headers }, (response) => {
      const { statusCode: status = 0 } = response;
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        rest += chunk;
        if (status !== 200) return;
        const lines = rest.split('\n');
        rest = lines.pop()!;
        try {
          for (const line of lines) {
            const value = parsed(line);
            if (value === undefined) throw new UserError(notOurs(address, status));
            if (onLine(value as Record<string, unknown>)) continue;
            call.destroy();
            resolve();
            return;
          }
        } catch (error) {
          call.destroy();
          reject(error as Error);
        }
      });
      response.on('error', () => resolve());
      response.on('end', () => {
        if (status === 200) resolve();
        else reject(new UserError(isOurs(response.headers) ? faultIn(rest, status) : notOurs(address, status)));
      });
    });
    call.on('error', (error) => reject(noControlPlane(address, error)));
    call.end();
  });
}

function noControlPlane({ host, port }: HostPort, error: Error): UserError {
  return new UserError(
    `no control plane at ${host}:${port} (${connectionFault(error)}); start one with outrigger control-plane, or name another with --control-plane-admin`,
  );
}

function faultIn(text: string, status: number): string {
  const { error } = (parsed(text) ?? {}) as { readonly error?: unknown };
  if (typeof error === 'string') return error;
  return text.trim() || `the control plane answered ${status}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
