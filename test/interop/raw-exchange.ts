/** Bytes as they are over a fresh connection, for requests that no client library would send. */
import { connect } from 'node:net';

export interface RawAnswer {
  /** Of the first response; 0 when the connection ended without one. */
  readonly status: number;
  readonly closed: boolean;
}

// Envoy waits a second before it closes a connection that it refused.
const quietMs = 1500;

/** Sends `bytes` and listens until the other side closes or says nothing for a while. */
export function sendRaw(port: number, bytes: string): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    let text = '';
    const end = (closed: boolean): void => {
      socket.destroy();
      resolve({ status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0), closed });
    };
    socket.setTimeout(quietMs, () => end(false));
    socket.on('data', (part) => {
      text += part.toString('latin1');
    });
    socket.on('end', () => end(true));
    socket.on('error', () => end(true));
  });
}
