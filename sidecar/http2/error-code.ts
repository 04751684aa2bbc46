/** HTTP/2 error codes (RFC 9113 7) and their names. */

export const noError = 0x0;
export const protocolError = 0x1;
export const internalError = 0x2;
export const flowControlError = 0x3;
export const settingsTimeout = 0x4;
export const streamClosed = 0x5;
export const frameSizeError = 0x6;
export const refusedStream = 0x7;
export const cancel = 0x8;
export const compressionError = 0x9;
export const enhanceYourCalm = 0xb;

const names = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** The registered name of a code, or its number in hexadecimal. */
export function errorCodeName(code: number): string {
  return names[code] ?? `0x${code.toString(16)}`;
}
