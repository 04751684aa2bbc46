/**
 * A way for a sidecar in a network of its own to one place that the host reaches: a Unix socket, which no network namespace keeps apart, for this sidecar's user alone. What comes in is passed on as it is. Knows nothing of what goes
 * through (with an identity: TLS).
 */
import { chmodSync, chownSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { lookUpFault } from '../../sidecar/transport/host-name.ts';
import type { HostPort } from '../host-port.ts';

const connectTimeoutMs = 5_000;

export class SocketRelay {
  readonly #server: Server;
  readonly #path: string;
  readonly #to: HostPort;
  readonly #sockets = new Set<Socket>();
  /** Why the last connection could not be made; '': it could. */
  fault = '';

  private constructor(path: string, to: HostPort) {
    this.#path = path;
    this.#to = to;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#pass(socket));
  }

  static async start(path: string, sidecarId: number, to: HostPort): Promise<SocketRelay> {
    const relay = new SocketRelay(path, to);
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject);
      relay.#server.listen(path, resolve);
    });
    chownSync(path, sidecarId, sidecarId);
    chmodSync(path, 0o600);
    return relay;
  }

  #pass(near: Socket): void {
    const far = connect({ ...this.#to, allowHalfOpen: true });
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    near.on('error', end);
    far.setTimeout(connectTimeoutMs, () => far.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    far.on('error', ({ code = '', message }: NodeJS.ErrnoException) => {
      if (far.connecting || !far.readyState.startsWith('open'))
        this.fault = code === 'ECONNREFUSED' ? 'connection refused' : lookUpFault(code) || message;
      end();
    });
    far.once('connect', () => {
      this.fault = '';
      far.setTimeout(0);
      near.pipe(far);
      far.pipe(near);
    });
  }

  /** No new connections; those that are there go on. */
  stop(): void {
    this.#server.close();
    rmSync(this.#path, { force: true });
  }

  close(): void {
    this.stop();
    for (const socket of this.#sockets) socket.destroy();
  }
}
