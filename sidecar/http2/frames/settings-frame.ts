/** SETTINGS (RFC 9113 6.5): the wire form. What settings mean for a connection is in peer-settings.ts. */

import { outputSlab } from '../../transport/output-slab.ts';
import type { SocketWriter } from '../../transport/socket-writer.ts';
import { ConnectionFault } from '../connection-fault.ts';
import { frameSizeError, protocolError } from '../error-code.ts';
import { flagAck, frameHeaderBytes, typeSettings, writeFrameHeader, writeUint32 } from './frame-header.ts';

export const settingHeaderTableSize = 0x1;
export const settingEnablePush = 0x2;
export const settingMaxConcurrentStreams = 0x3;
export const settingInitialWindowSize = 0x4;
export const settingMaxFrameSize = 0x5;
export const settingMaxHeaderListSize = 0x6;
/** RFC 8441. */
export const settingEnableConnectProtocol = 0x8;

/** Throws unless the frame is well-formed. */
export function checkSettings(start: number, end: number, flags: number, streamId: number): void {
  if (streamId !== 0) throw new ConnectionFault(protocolError, 'http2.settings_on_stream', 'SETTINGS on a stream');
  const length = end - start;
  if ((flags & flagAck) !== 0 ? length !== 0 : length % 6 !== 0) {
    throw new ConnectionFault(frameSizeError, 'http2.settings_frame_size', `SETTINGS of ${length} bytes`);
  }
}

/** Writes `[id, value]` pairs. */
export function writeSettings(writer: SocketWriter, settings: ReadonlyArray<readonly [number, number]>): void {
  const length = settings.length * 6;
  let at = writer.reserve(frameHeaderBytes + length);
  const { buffer } = outputSlab;
  writeFrameHeader(buffer, at, length, typeSettings, 0, 0);
  at += frameHeaderBytes;
  for (const [id, value] of settings) {
    buffer[at] = id >>> 8;
    buffer[at + 1] = id;
    writeUint32(buffer, at + 2, value);
    at += 6;
  }
}

export function writeSettingsAck(writer: SocketWriter): void {
  const at = writer.reserve(frameHeaderBytes);
  writeFrameHeader(outputSlab.buffer, at, 0, typeSettings, flagAck, 0);
}
