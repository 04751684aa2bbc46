/** Bytes that a client sent for a tunnel before the upstream agreed to it. Bounded by its sender, who was told to stop with the first of them. */

export class TunnelBacklog {
  readonly chunks: Buffer[] = [];
  ended = false;

  add(chunk: Buffer, end: boolean): void {
    if (chunk.length > 0) this.chunks.push(chunk);
    if (end) this.ended = true;
  }
}
