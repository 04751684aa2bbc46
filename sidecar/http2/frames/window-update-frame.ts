/** WINDOW_UPDATE (RFC 9113 6.9). */

import { outputSlab } from '../../transport/output-slab.ts';
import type { SocketWriter } from '../../transport/socket-writer.ts';
import { ConnectionFault } from '../connection-fault.ts';
import { frameSizeError } from '../error-code.ts';
import { frameHeaderBytes, readUint31, typeWindowUpdate, writeFrameHeader, writeUint32 } from './frame-header.ts';

export const maxWindowBytes = 0x7fff_ffff;

/** The increment; 0 is an error whose scope the caller knows. */
export function readWindowUpdate(bytes: Buffer, start: number, end: number): number {
  if (end - start !== 4) {
    throw new ConnectionFault(frameSizeError, 'http2.window_update_frame_size', 'WINDOW_UPDATE must have 4 bytes');
  }
  return readUint31(bytes, start);
}

export function writeWindowUpdate(writer: SocketWriter, streamId: number, incrementBytes: number): void {
  const at = writer.reserve(frameHeaderBytes + 4);
  writeFrameHeader(outputSlab.buffer, at, 4, typeWindowUpdate, 0, streamId);
  writeUint32(outputSlab.buffer, at + frameHeaderBytes, incrementBytes);
}
