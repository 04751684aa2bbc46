/** Text of bytes out of a buffer without the argument handling of `toString`: heads are cut into strings several times per request. */

type Slicing = { latin1Slice(this: Buffer, start: number, end: number): string };

const slice = (Buffer.prototype as unknown as Slicing).latin1Slice;

/** The bytes from `start` to `end` as a latin1 string. */
export function latin1Slice(bytes: Buffer, start: number, end: number): string {
  return slice.call(bytes, start, end);
}
