/**
 * A request's body as the router keeps it: until an attempt takes it, and, as long as it is short enough, until the answer begins, so that the request can be sent again. Made when the
 * first piece comes; says when the caller should send no more for now.
 */
import type { ClientStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { RequestBody } from './request-body.ts';

export class KeptBody {
  readonly #limitBytes: number;
  #body: RequestBody | null = new RequestBody();

  /** `limitBytes`: what is kept beyond the first attempt that takes it. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** It cannot be sent again: a part of it is gone, or all. */
  get gone(): boolean {
    return this.#body === null;
  }

  /** Bytes that are here. */
  get bytes(): number {
    return this.#body === null ? 0 : this.#body.bytes;
  }

  /** `waits`: no attempt takes it yet, so it is kept however long it is. */
  add(chunk: Buffer, endStream: boolean, waits: boolean): void {
    const body = this.#body;
    if (body === null) return;
    if (waits || body.bytes + chunk.length <= this.#limitBytes) body.add(chunk, endStream);
    else this.drop();
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
}
