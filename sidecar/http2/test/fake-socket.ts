/** Stands in for a socket where no kernel is wanted: what is written is kept, what the peer does is called by the test. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

export class FakeSocket extends EventEmitter {
  readonly written: Buffer[] = [];
  destroyed = false;
  writable = true;
  /** Set by the test: bytes that the kernel did not take. */
  writableLength = 0;

  get asSocket(): Socket {
    return this as unknown as Socket;
  }
  write(bytes: Buffer): boolean {
    this.written.push(Buffer.from(bytes));
    return true;
  }
  cork(): void {}
  uncork(): void {}
  end(): void {
    this.writable = false;
  }
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.writable = false;
    this.emit('close');
  }
}
