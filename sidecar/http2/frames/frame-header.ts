/** The nine bytes in front of every frame (RFC 9113 4.1), the frame types and their flags. */

export const frameHeaderBytes = 9;

export const typeData = 0x0;
export const typeHeaders = 0x1;
export const typePriority = 0x2;
export const typeRstStream = 0x3;
export const typeSettings = 0x4;
export const typePushPromise = 0x5;
export const typePing = 0x6;
export const typeGoAway = 0x7;
export const typeWindowUpdate = 0x8;
export const typeContinuation = 0x9;

/** DATA and HEADERS. */
export const flagEndStream = 0x1;
/** SETTINGS and PING. */
export const flagAck = 0x1;
/** HEADERS and CONTINUATION. */
export const flagEndHeaders = 0x4;
/** DATA and HEADERS. */
export const flagPadded = 0x8;
/** HEADERS. */
export const flagPriority = 0x20;

/** SETTINGS_MAX_FRAME_SIZE until the peer says otherwise, and what we announce by saying nothing. */
export const defaultMaxFrameBytes = 16_384;

/** Writes a frame header; `target` has room for nine bytes at `at`. */
export function writeFrameHeader(
  target: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  target[at] = length >>> 16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  target[at + 3] = type;
  target[at + 4] = flags;
  writeUint32(target, at + 5, streamId);
}

export function writeUint32(target: Buffer, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** Four bytes as an unsigned number. */
export function readUint32(source: Buffer, at: number): number {
  return ((source[at]! << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!) >>> 0;
}

/** Four bytes without the reserved first bit: stream ids and window increments. */
export function readUint31(source: Buffer, at: number): number {
  return ((source[at]! & 0x7f) << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!;
}
