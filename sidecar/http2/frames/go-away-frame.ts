/** GOAWAY (RFC 9113 6.8). */

import { outputSlab } from '../../transport/output-slab.ts';
import type { SocketWriter } from '../../transport/socket-writer.ts';
import { ConnectionFault } from '../connection-fault.ts';
import { frameSizeError, protocolError } from '../error-code.ts';
import { frameHeaderBytes, readUint31, readUint32, typeGoAway, writeFrameHeader, writeUint32 } from './frame-header.ts';

const maxDebugBytes = 256;

/** Throws unless the frame is well-formed. */
export function checkGoAway(start: number, end: number, streamId: number): void {
  if (streamId !== 0) throw new ConnectionFault(protocolError, 'http2.goaway_on_stream', 'GOAWAY on a stream');
  if (end - start < 8) throw new ConnectionFault(frameSizeError, 'http2.goaway_frame_size', 'GOAWAY below 8 bytes');
}

export function goAwayLastStreamId(bytes: Buffer, start: number): number {
  return readUint31(bytes, start);
}

export function goAwayCode(bytes: Buffer, start: number): number {
  return readUint32(bytes, start + 4);
}

/** Debug data for a log line: printable ASCII only, cut short. */
export function goAwayDebug(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start + 8, Math.min(end, start + 8 + maxDebugBytes)).replace(/[^ -~]/g, '.');
}

export function writeGoAway(writer: SocketWriter, lastStreamId: number, code: number, debug: string): void {
  const text = debug.slice(0, maxDebugBytes);
  const length = 8 + text.length;
  const at = writer.reserve(frameHeaderBytes + length);
  const { buffer } = outputSlab;
  writeFrameHeader(buffer, at, length, typeGoAway, 0, 0);
  writeUint32(buffer, at + frameHeaderBytes, lastStreamId);
  writeUint32(buffer, at + frameHeaderBytes + 4, code);
  buffer.write(text, at + frameHeaderBytes + 8, 'latin1');
}
