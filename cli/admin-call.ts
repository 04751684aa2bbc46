/** Changes something by the control plane's admin port, which wants the local token: the proof that this is the user who runs it. */
import { request } from 'node:http';
import { join } from 'node:path';
import { readOwnerOnly } from '../certs/storage/owner-only.ts';
import { isOurs, notOurs } from './commands/get.ts';
import { connectionFault } from './connection-fault.ts';
import { defaultDataDir } from './data-dir.ts';
import { formatHostPort, type HostPort } from './host-port.ts';
import { UserError } from './user-error.ts';

/** The answer's JSON. Rejects with a UserError that says what is wrong. */
export function postJson(
  address: HostPort,
  path: string,
  body: unknown,
  dataDir: string | undefined,
): Promise<unknown> {
  const token = readLocalToken(dataDir);
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: address.host,
        port: address.port,
        path,
        method: 'POST',
        timeout: 5_000,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        },
      },
      (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (answer += chunk));
        response.on('end', () => {
          if (!isOurs(response.headers)) reject(new UserError(notOurs(address, response.statusCode)));
          else if (response.statusCode === 200) resolve(JSON.parse(answer));
          else reject(new UserError(answer.trim() || `the control plane answered ${response.statusCode}`));
        });
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', (error) =>
      reject(
        new UserError(
          `no control plane at ${formatHostPort(address)} (${connectionFault(error)}); start one with outrigger control-plane, or name another with --control-plane-admin`,
        ),
      ),
    );
    call.end(text);
  });
}

/** Throws a UserError that says where it was looked for. */
export function readLocalToken(dataDir: string | undefined): string {
  const folder = dataDir ?? defaultDataDir(process.env);
  const file = join(folder, 'local-token');
  let text: string | null;
  try {
    text = readOwnerOnly(file);
  } catch (error) {
    throw new UserError(`cannot read ${file}: ${(error as Error).message}`);
  }
  if (text === null)
    throw new UserError(
      `there is no ${file}: no control plane with identities runs on this data directory; start one with outrigger control-plane, or name its folder with --data-dir`,
    );
  return text.trim();
}
