/** PING (RFC 9113 6.7). Our own carry a number in the last four bytes, so that an answer can be told from another. */

import { outputSlab } from '../../transport/output-slab.ts';
import type { SocketWriter } from '../../transport/socket-writer.ts';
import { ConnectionFault } from '../connection-fault.ts';
import { frameSizeError, protocolError } from '../error-code.ts';
import { flagAck, frameHeaderBytes, readUint32, typePing, writeFrameHeader, writeUint32 } from './frame-header.ts';

/** Number of the PINGs that ask whether the peer is there: whatever is read answers them. 1 is the drain's, from 2 on they are keep-alive's. */
export const silencePing = 0;

const ourMark = 0x6f757472;

/** Throws unless the frame is well-formed. */
export function checkPing(start: number, end: number, streamId: number): void {
  if (streamId !== 0) throw new ConnectionFault(protocolError, 'http2.ping_on_stream', 'PING on a stream');
  if (end - start !== 8) throw new ConnectionFault(frameSizeError, 'http2.ping_frame_size', 'PING must have 8 bytes');
}

/** The number in a PING of ours that the peer returned; -1 for one that we did not send. */
export function pingNumber(bytes: Buffer, start: number): number {
  return readUint32(bytes, start) === ourMark ? readUint32(bytes, start + 4) : -1;
}

export function writePing(writer: SocketWriter, number: number): void {
  const at = writer.reserve(frameHeaderBytes + 8);
  writeFrameHeader(outputSlab.buffer, at, 8, typePing, 0, 0);
  writeUint32(outputSlab.buffer, at + frameHeaderBytes, ourMark);
  writeUint32(outputSlab.buffer, at + frameHeaderBytes + 4, number);
}

/** Answers the PING whose payload begins at `start`. */
export function writePingAck(writer: SocketWriter, bytes: Buffer, start: number): void {
  const at = writer.reserve(frameHeaderBytes + 8);
  writeFrameHeader(outputSlab.buffer, at, 8, typePing, flagAck, 0);
  for (let i = 0; i < 8; i++) outputSlab.buffer[at + frameHeaderBytes + i] = bytes[start + i]!;
}
