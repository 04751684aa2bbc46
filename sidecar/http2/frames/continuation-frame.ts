/** CONTINUATION (RFC 9113 6.10), writing. Reading is part of header-block-reader.ts. */

import { outputSlab } from '../../transport/output-slab.ts';
import type { SocketWriter } from '../../transport/socket-writer.ts';
import { flagEndHeaders, frameHeaderBytes, typeContinuation, writeFrameHeader } from './frame-header.ts';

/** Writes `block[from…]` as CONTINUATION frames; the last one ends the block. */
export function writeContinuations(
  writer: SocketWriter,
  streamId: number,
  block: Buffer,
  from: number,
  maxFrameBytes: number,
): void {
  for (let start = from; start < block.length; start += maxFrameBytes) {
    const end = Math.min(start + maxFrameBytes, block.length);
    const at = writer.reserve(frameHeaderBytes);
    const flags = end === block.length ? flagEndHeaders : 0;
    writeFrameHeader(outputSlab.buffer, at, end - start, typeContinuation, flags, streamId);
    writer.writeBytes(block.subarray(start, end));
  }
}
