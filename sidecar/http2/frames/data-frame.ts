/** DATA (RFC 9113 6.1), writing. Reading is done in frame-reader.ts, because its payload is passed on before it is complete. */

import { maxCopiedBytes, outputSlab } from '../../transport/output-slab.ts';
import type { SocketWriter } from '../../transport/socket-writer.ts';
import { flagEndStream, frameHeaderBytes, typeData, writeFrameHeader } from './frame-header.ts';

/** Writes one frame: small payloads are laid beside the header, large ones pass by reference. */
export function writeData(writer: SocketWriter, streamId: number, payload: Buffer, endStream: boolean): void {
  const { length } = payload;
  const flags = endStream ? flagEndStream : 0;
  if (length + frameHeaderBytes <= maxCopiedBytes) {
    const at = writer.reserve(frameHeaderBytes + length);
    const { buffer } = outputSlab;
    writeFrameHeader(buffer, at, length, typeData, flags, streamId);
    if (length > 0) buffer.set(payload, at + frameHeaderBytes);
    return;
  }
  const at = writer.reserve(frameHeaderBytes);
  writeFrameHeader(outputSlab.buffer, at, length, typeData, flags, streamId);
  writer.writeBytes(payload);
}
