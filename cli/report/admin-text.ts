/** The text that an admin port answers with, within a bound and a signal: for a report, which is not to be held up by what it is about. */
import { request } from 'node:http';
import { connectionFault } from '../connection-fault.ts';
import { formatHostPort, type HostPort } from '../host-port.ts';

/** More is not read: it would not be taken. */
const maxBytes = 64 * 1024 * 1024;

/** Rejects with why there is none. */
export function adminText(address: HostPort, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: address.host, port: address.port, path, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > maxBytes) call.destroy(new Error(`more than ${maxBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else
          reject(
            new Error(response.statusCode === 404 ? 'there is no such page' : `it answers ${response.statusCode}`),
          );
      });
    });
    call.on('error', (error) => reject(new Error(`${formatHostPort(address)}${path}: ${connectionFault(error)}`)));
    call.end();
  });
}
