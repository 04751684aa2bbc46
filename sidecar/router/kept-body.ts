/**
 * A request's body as the router keeps it: until an attempt takes it, and, as long as it is short enough, until the answer begins, so that the request can be sent again. Made when the
 * first piece comes. A caller whose body waits for a connection is not read beyond what a listener buffers.
 */
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { RequestBody } from './request-body.ts';

/** The caller's stream. */
export interface BodySource {
  /** Counted: the caller's request is not read meanwhile. */
  pauseRequest(): void;
  resumeRequest(): void;
}

export class KeptBody {
  readonly #source: BodySource;
  readonly #limitBytes: number;
  readonly #bufferBytes: number;
  #body: RequestBody | null = new RequestBody();
  /** The caller is not read, because the body waits. */
  #paused = false;

  /** `limitBytes`: what is kept beyond the first attempt that takes it; `bufferBytes`: what may wait for it before the caller is not read any more. */
  constructor(source: BodySource, limitBytes: number, bufferBytes: number) {
    this.#source = source;
    this.#limitBytes = limitBytes;
    this.#bufferBytes = bufferBytes;
  }

  /** It cannot be sent again: a part of it is gone, or all. */
  get gone(): boolean {
    return this.#body === null;
  }

  /** All of it is here so far, and short enough to be sent more than once. */
  get repeats(): boolean {
    return this.#body !== null && this.#body.bytes <= this.#limitBytes;
  }

  /** `waits`: no attempt takes it yet, so it is kept however long it is. */
  add(chunk: Buffer, endStream: boolean, waits: boolean): void {
    const body = this.#body;
    if (body === null) return;
    if (!waits && body.bytes + chunk.length > this.#limitBytes) {
      this.drop();
      return;
    }
    body.add(chunk, endStream);
    if (!waits || endStream || this.#paused || body.bytes <= this.#bufferBytes) return;
    this.#paused = true;
    this.#source.pauseRequest();
  }

  addTrailers(trailers: HeaderFields): void {
    this.#body?.addTrailers(trailers);
  }

  /** Sends what is here, to an attempt that takes what comes from now on. */
  sendTo(stream: ClientStream): void {
    const body = this.#body;
    if (body === null) return;
    body.sendTo(stream);
    if (body.bytes > this.#limitBytes) this.drop();
  }

  drop(): void {
    this.#body?.drop();
    this.#body = null;
  }

  /** It does not wait any more: the caller is read again. */
  release(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source.resumeRequest();
  }
}
