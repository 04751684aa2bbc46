/** Whether the port of a command of `run` is somebody else's. Looks by a connection: to listen there, even for a moment, would look like the application to its sidecar, which would register it. */
import { connect } from 'node:net';

/** On loopback only a full queue of connections takes longer. */
const timeoutMs = 1_000;

/** Whether somebody listens on 127.0.0.1:`port`, or on all addresses. False where it cannot be found out, but for who does not answer: that is somebody. */
export function isListenedOn(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: timeoutMs });
    const done = (listened: boolean): void => {
      socket.destroy();
      resolve(listened);
    };
    // A port that the system gives to outgoing connections may be given to this very one, which then meets itself.
    socket.once('connect', () => done(socket.localPort !== port));
    socket.once('timeout', () => done(true));
    socket.once('error', () => done(false));
  });
}
