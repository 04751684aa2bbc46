/** Whether somebody listens at an address, as seen from this machine: a TCP connection that is made and closed. Says nothing of what is spoken there. */
import { connect } from 'node:net';
import { connectionFault } from '../connection-fault.ts';
import type { HostPort } from '../host-port.ts';

const timeoutMs = 2_000;

/** '' : it connects; else why not. */
export function connects({ host, port }: HostPort): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (why: string): void => {
      socket.destroy();
      resolve(why);
    };
    socket.on('connect', () => end(''));
    socket.on('timeout', () => end('no answer within 2 s'));
    socket.on('error', (error) => end(connectionFault(error)));
  });
}
