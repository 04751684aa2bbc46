/** A socket in memory for codec tests: bytes are fed in any split and what is written is kept. Streams semantics (pause, end, destroy) are Node's own. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

export class FakeSocket extends Duplex {
  readonly #written: Buffer[] = [];
  /** The codec sent FIN. */
  finished = false;
  wasReset = false;
  /** Set to keep what is written from being taken, as a full socket does. */
  stalled = false;
  #release: (() => void) | null = null;

  constructor() {
    super({ allowHalfOpen: true, autoDestroy: true, writableHighWaterMark: 512 });
  }

  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** Everything written so far, as text of bytes. */
  get text(): string {
    return Buffer.concat(this.#written).toString('latin1');
  }

  /** Lets bytes in when what was written before has gone out, then a turn of the event loop pass. */
  async feed(bytes: Buffer | string): Promise<void> {
    await turn();
    this.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    await turn();
  }

  /** FIN from the peer. */
  async feedEnd(): Promise<void> {
    this.push(null);
    await turn();
  }

  /** The peer resets the connection. */
  async feedReset(): Promise<void> {
    this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    await turn();
  }

  /** Takes what was stalled. */
  async release(): Promise<void> {
    this.stalled = false;
    const release = this.#release;
    this.#release = null;
    release?.();
    await turn();
  }

  override _read(): void {
    // Bytes come by feed.
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    // The codec may write over its slab once the bytes are taken.
    this.#written.push(Buffer.from(chunk));
    if (this.stalled) this.#release = callback;
    else callback();
  }

  override _final(callback: () => void): void {
    this.finished = true;
    callback();
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  resetAndDestroy(): void {
    this.wasReset = true;
    this.destroy();
  }
}

/** Lets everything that is due now happen: microtasks, ticks and the writers' flush. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate);
}
