/** TCP health check: a connection (TLS where the cluster has it), and where that is asked for, bytes sent and bytes expected. */
import type { Socket } from 'node:net';
import type { ProxyError } from '../../codec/proxy-error.ts';
import type { TcpCheckConfig } from '../../config/health-check-config.ts';
import type { ConnectOwner } from '../../transport/connect.ts';
import type { RunningHost } from '../running-host.ts';
import { payloadMatches } from './payload-match.ts';
import type { Probe, ProbeContext, ProbeOwner } from './probe.ts';

/** Who sends more than this without what is expected does not mean to. */
const mostBytes = 64 * 1024;

export class TcpProbe implements Probe, ConnectOwner {
  readonly #config: TcpCheckConfig;
  readonly #reuse: boolean;
  readonly #host: RunningHost;
  readonly #context: ProbeContext;
  readonly #owner: ProbeOwner;
  #connecting: { cancel(): void } | null = null;
  #socket: Socket | null = null;
  #running = false;
  #received: Buffer = Buffer.alloc(0);

  constructor(config: TcpCheckConfig, reuse: boolean, host: RunningHost, context: ProbeContext, owner: ProbeOwner) {
    this.#config = config;
    this.#reuse = reuse;
    this.#host = host;
    this.#context = context;
    this.#owner = owner;
  }

  start(): void {
    this.#running = true;
    this.#received = Buffer.alloc(0);
    if (this.#socket !== null) this.#send(this.#socket);
    else this.#connecting = this.#context.openTransport(this.#context.probeTarget(this.#host, 'tcp'), this);
  }

  giveUp(): void {
    this.close();
  }

  close(): void {
    this.#running = false;
    this.#connecting?.cancel();
    this.#connecting = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
  }

  onConnected(socket: Socket): void {
    this.#connecting = null;
    socket.on('data', (chunk: Buffer) => this.#onData(socket, chunk));
    socket.on('error', (error) => this.#onEnd(socket, error.message));
    socket.on('end', () => this.#onEnd(socket, 'it closed the connection without what is expected'));
    socket.on('close', () => this.#onEnd(socket, 'it closed the connection without what is expected'));
    this.#socket = socket;
    this.#send(socket);
  }

  onConnectFailed(error: ProxyError): void {
    this.#connecting = null;
    this.#fail('network', error.message);
  }

  onSession(): void {
    // A check shows that a whole handshake works.
  }

  #send(socket: Socket): void {
    if (this.#config.send !== null) socket.write(this.#config.send);
    if (this.#config.receive.length > 0) return;
    // The connection was all that was to be shown; it flushes what was sent.
    this.#socket = null;
    socket.destroySoon();
    this.#pass();
  }

  #onData(socket: Socket, chunk: Buffer): void {
    if (socket !== this.#socket || !this.#running) return;
    this.#received = Buffer.concat([this.#received, chunk]);
    if (payloadMatches(this.#received, this.#config.receive)) {
      if (!this.#reuse) {
        this.#socket = null;
        socket.destroySoon();
      }
      this.#pass();
    } else if (this.#received.length > mostBytes) {
      this.#socket = null;
      socket.destroy();
      this.#fail('active', `what is expected is not among its first ${mostBytes} bytes`);
    }
  }

  /** Between two checks it may close: the next one connects. */
  #onEnd(socket: Socket, reason: string): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    socket.destroy();
    this.#fail('network', reason);
  }

  #pass(): void {
    this.#running = false;
    this.#owner.onProbePassed(false);
  }

  #fail(why: 'active' | 'network', reason: string): void {
    if (!this.#running) return;
    this.#running = false;
    this.#owner.onProbeFailed(why, reason);
  }
}
