/** RST_STREAM (RFC 9113 6.4). */

import { outputSlab } from '../../transport/output-slab.ts';
import type { SocketWriter } from '../../transport/socket-writer.ts';
import { ConnectionFault } from '../connection-fault.ts';
import { frameSizeError, protocolError } from '../error-code.ts';
import { frameHeaderBytes, readUint32, typeRstStream, writeFrameHeader, writeUint32 } from './frame-header.ts';

/** The error code in the frame. */
export function readRstStream(bytes: Buffer, start: number, end: number, streamId: number): number {
  if (streamId === 0) throw new ConnectionFault(protocolError, 'http2.rst_on_connection', 'RST_STREAM on stream 0');
  if (end - start !== 4)
    throw new ConnectionFault(frameSizeError, 'http2.rst_frame_size', 'RST_STREAM must have 4 bytes');
  return readUint32(bytes, start);
}

export function writeRstStream(writer: SocketWriter, streamId: number, code: number): void {
  const at = writer.reserve(frameHeaderBytes + 4);
  writeFrameHeader(outputSlab.buffer, at, 4, typeRstStream, 0, streamId);
  writeUint32(outputSlab.buffer, at + frameHeaderBytes, code);
}
