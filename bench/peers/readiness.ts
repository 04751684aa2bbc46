/** How long a proxy takes from exec until it is ready, by asking every few milliseconds over plain sockets. */
import { connect } from 'node:net';
import { type StartedProgram, waitFor } from '../../test/peers/started-program.ts';

const intervalMs = 2;
const limitMs = 20_000;

/** Waits for a 200 to `GET path` on a port; returns milliseconds since `startedMs` (performance.now() just before the program was started). */
export async function timeToOk(
  program: StartedProgram,
  port: number,
  path: string,
  startedMs: number,
): Promise<number> {
  await waitFor(
    `${program.name} to be ready`,
    limitMs,
    async () => {
      program.failIfEnded();
      return (
        await statusLine(port, `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      ).startsWith('HTTP/1.1 200');
    },
    intervalMs,
  );
  return performance.now() - startedMs;
}

/** The same for peers that can only be asked through a listener which speaks HTTP/2: the first connection taken. */
export async function timeToConnect(program: StartedProgram, port: number, startedMs: number): Promise<number> {
  await waitFor(
    `${program.name} to listen`,
    limitMs,
    async () => {
      program.failIfEnded();
      return (await statusLine(port, '')) !== 'refused';
    },
    intervalMs,
  );
  return performance.now() - startedMs;
}

/** The first bytes of the answer; `refused` when nobody listens. With an empty request, '' as soon as the connection stands. */
function statusLine(port: number, request: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (text: string): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(1000, () => end(''));
    socket.on('connect', () => (request === '' ? end('') : socket.write(request)));
    socket.on('data', (bytes) => end(bytes.toString('latin1')));
    socket.on('error', () => end('refused'));
    socket.on('close', () => end(''));
  });
}
