/** HEADERS (RFC 9113 6.2): where the field block lies in a payload, and writing a block with the CONTINUATION frames it needs. */

import { maxCopiedBytes, outputSlab } from '../../transport/output-slab.ts';
import type { SocketWriter } from '../../transport/socket-writer.ts';
import { ConnectionFault } from '../connection-fault.ts';
import { frameSizeError, protocolError } from '../error-code.ts';
import { writeContinuations } from './continuation-frame.ts';
import {
  flagEndHeaders,
  flagEndStream,
  flagPadded,
  flagPriority,
  frameHeaderBytes,
  readUint31,
  typeHeaders,
  writeFrameHeader,
} from './frame-header.ts';

/** The last HEADERS payload that {@link readHeaders} looked at; one object, so that reading allocates nothing. */
export const headersPayload = {
  blockStart: 0,
  blockEnd: 0,
  /** The deprecated priority part names the stream itself (RFC 9113 5.3.1 by way of RFC 7540: a stream error). */
  dependsOnItself: false,
};

/** Fills {@link headersPayload}. Throws ConnectionFault when padding or priority do not fit. */
export function readHeaders(bytes: Buffer, start: number, end: number, flags: number, streamId: number): void {
  let from = start;
  let to = end;
  headersPayload.dependsOnItself = false;
  if ((flags & flagPadded) !== 0) {
    if (from >= to) throw new ConnectionFault(frameSizeError, 'http2.headers_frame_size', 'HEADERS without pad length');
    const padding = bytes[from]!;
    from++;
    to -= padding;
  }
  if ((flags & flagPriority) !== 0) {
    if (end - from < 5)
      throw new ConnectionFault(frameSizeError, 'http2.headers_frame_size', 'HEADERS too short for its priority');
    headersPayload.dependsOnItself = readUint31(bytes, from) === streamId;
    from += 5;
  }
  if (to < from)
    throw new ConnectionFault(protocolError, 'http2.padding_too_long', 'HEADERS has more padding than payload');
  headersPayload.blockStart = from;
  headersPayload.blockEnd = to;
}

/** Writes the block `block[0, length)` as HEADERS, cut into frames of `maxFrameBytes`. */
export function writeHeaders(
  writer: SocketWriter,
  streamId: number,
  block: Buffer,
  length: number,
  endStream: boolean,
  maxFrameBytes: number,
): void {
  const endFlag = endStream ? flagEndStream : 0;
  if (length <= maxFrameBytes && length + frameHeaderBytes <= maxCopiedBytes) {
    const at = writer.reserve(frameHeaderBytes + length);
    const { buffer } = outputSlab;
    writeFrameHeader(buffer, at, length, typeHeaders, endFlag | flagEndHeaders, streamId);
    const to = at + frameHeaderBytes;
    if (length <= 96) for (let i = 0; i < length; i++) buffer[to + i] = block[i]!;
    else block.copy(buffer, to, 0, length);
    return;
  }
  const first = Math.min(length, maxFrameBytes);
  const at = writer.reserve(frameHeaderBytes);
  const endHeaders = first === length ? flagEndHeaders : 0;
  writeFrameHeader(outputSlab.buffer, at, first, typeHeaders, endFlag | endHeaders, streamId);
  // The block is the encoder's scratch: it must be copied before it is handed over by reference.
  const copy = Buffer.from(block.subarray(0, length));
  writer.writeBytes(copy.subarray(0, first));
  if (first < length) writeContinuations(writer, streamId, copy, first, maxFrameBytes);
}
