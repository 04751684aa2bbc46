/** PRIORITY (RFC 9113 6.3): deprecated; checked, counted and otherwise ignored. We never send it. */
import { ConnectionFault } from '../connection-fault.ts';
import { frameSizeError, noError, protocolError } from '../error-code.ts';
import { readUint31 } from './frame-header.ts';

/** The code of the stream error that the frame is, or NO_ERROR. */
export function checkPriority(bytes: Buffer, start: number, end: number, streamId: number): number {
  if (streamId === 0) throw new ConnectionFault(protocolError, 'http2.priority_on_connection', 'PRIORITY on stream 0');
  if (end - start !== 5) return frameSizeError;
  return readUint31(bytes, start) === streamId ? protocolError : noError;
}
