/**
 * The control plane's TLS door: takes connections, as many as it can bear, and hands them to the gRPC server, which does TLS and HTTP/2. Who has not proved itself after a while loses its connection, so that places
 * are for those who belong here.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';

export interface TlsDoorOptions {
  readonly server: Server;
  readonly credentials: ServerCredentials;
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** `reason` is one of our words. */
  readonly onRefused: (reason: string) => void;
  /** Connections at a time. Default 20,000. */
  readonly maxConnections?: number;
  /** Of these, without proof yet, from one address. Default 512. */
  readonly maxUnprovenOfOne?: number;
  /** With proof, of one identity: addresses count no more then, as behind a balancer all come from one. Default 1,024. */
  readonly maxProvenOfOne?: number;
  /** How long a connection may stay without proof. Default 30 s. */
  readonly unprovenMs?: number;
}

/** Who is on a connection: what a caller is to the door. */
export interface DoorCaller {
  readonly words: string;
  fault(): string;
}

interface Proven {
  readonly socket: Socket;
  /** Its first caller: the place is counted as that one's. */
  readonly words: string;
  /** The last one. */
  caller: DoorCaller;
  lapsedSweeps: number;
}

/** Longer than any call without proof takes: who asks for a new certificate on it can. */
const maxLapsedSweeps = 15;

interface Unproven {
  readonly socket: Socket;
  readonly host: string;
  readonly stop: () => void;
}

export class TlsDoor {
  readonly #options: TlsDoorOptions;
  readonly #listener: NetServer;
  readonly #sockets = new Set<Socket>();
  /** By address and port of the caller. */
  readonly #unproven = new Map<string, Unproven>();
  readonly #unprovenOf = new Map<string, number>();
  /** By address and port of the caller. */
  readonly #proven = new Map<string, Proven>();
  /** By their words. */
  readonly #provenOf = new Map<string, number>();

  private constructor(options: TlsDoorOptions) {
    this.#options = options;
    const injector = options.server.createConnectionInjector(options.credentials);
    this.#listener = createServer({ noDelay: true, keepAlive: true }, (socket) => {
      if (this.#enter(socket)) injector.injectConnection(socket);
    });
  }

  /** Rejects with the system's error when the port cannot be had. */
  static start(address: { readonly host: string; readonly port: number }, options: TlsDoorOptions): Promise<TlsDoor> {
    const door = new TlsDoor(options);
    return new Promise((resolve, reject) => {
      door.#listener.once('error', reject);
      door.#listener.listen(address.port, address.host, () => {
        door.#listener.off('error', reject);
        // As when the process has no file descriptor left: the next connection may fare better.
        door.#listener.on('error', () => options.onRefused('accept-failed'));
        resolve(door);
      });
    });
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** The caller on the connection from this address is known. A connection too many of one is ended. */
  proven(address: string, caller: DoorCaller): void {
    const known = this.#proven.get(address);
    if (known !== undefined) {
      known.caller = caller;
      known.lapsedSweeps = 0;
      return;
    }
    const unproven = this.#unproven.get(address);
    if (unproven === undefined) return;
    this.#endUnproven(address);
    const { socket } = unproven;
    const { words } = caller;
    const { maxProvenOfOne = 1_024, onRefused } = this.#options;
    const count = this.#provenOf.get(words) ?? 0;
    if (count >= maxProvenOfOne) {
      onRefused('too-many-connections-of-one');
      socket.destroy();
      return;
    }
    this.#provenOf.set(words, count + 1);
    this.#proven.set(address, { socket, words, caller, lapsedSweeps: 0 });
  }

  /** Ends connections whose callers count no more and have not come with a new proof for a while. Called every second or so. */
  sweep(): void {
    for (const proven of this.#proven.values()) {
      proven.lapsedSweeps = proven.caller.fault() === '' ? 0 : proven.lapsedSweeps + 1;
      if (proven.lapsedSweeps < maxLapsedSweeps) continue;
      this.#options.onRefused('lapsed-connection');
      proven.socket.destroy();
    }
  }

  /** Takes no more connections; those that are here go with the gRPC server. */
  close(): void {
    this.#listener.close();
  }

  /** Drops what the gRPC server does not know of: connections in the middle of their handshake. */
  dropAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #enter(socket: Socket): boolean {
    const { after, onRefused, maxConnections = 20_000, maxUnprovenOfOne = 512, unprovenMs = 30_000 } = this.#options;
    // Errors of connections are TLS's and HTTP/2's to tell; one that comes before they listen must not be nobody's.
    socket.on('error', () => {});
    const { remoteAddress: host, remotePort } = socket;
    if (host === undefined) {
      socket.destroy();
      return false;
    }
    const waiting = this.#unprovenOf.get(host) ?? 0;
    if (this.#sockets.size >= maxConnections || waiting >= maxUnprovenOfOne) {
      onRefused(waiting >= maxUnprovenOfOne ? 'too-many-connections-of-one' : 'too-many-connections');
      socket.destroy();
      return false;
    }
    const address = `${host}:${remotePort}`;
    this.#endUnproven(address);
    this.#endProven(address);
    this.#sockets.add(socket);
    this.#unprovenOf.set(host, waiting + 1);
    this.#unproven.set(address, {
      socket,
      host,
      stop: after(unprovenMs, () => {
        onRefused('unproven-connection');
        socket.destroy();
      }),
    });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      // The address may be another connection's by now.
      if (this.#unproven.get(address)?.socket === socket) this.#endUnproven(address);
      if (this.#proven.get(address)?.socket === socket) this.#endProven(address);
    });
    return true;
  }

  #endProven(address: string): void {
    const proven = this.#proven.get(address);
    if (proven === undefined) return;
    this.#proven.delete(address);
    const { words } = proven;
    const rest = (this.#provenOf.get(words) ?? 1) - 1;
    if (rest <= 0) this.#provenOf.delete(words);
    else this.#provenOf.set(words, rest);
  }

  #endUnproven(address: string): void {
    const unproven = this.#unproven.get(address);
    if (unproven === undefined) return;
    this.#unproven.delete(address);
    unproven.stop();
    const rest = (this.#unprovenOf.get(unproven.host) ?? 1) - 1;
    if (rest <= 0) this.#unprovenOf.delete(unproven.host);
    else this.#unprovenOf.set(unproven.host, rest);
  }
}
