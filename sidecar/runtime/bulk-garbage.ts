/**
 * Large bodies that wait for a slow reader keep the buffers that they were read into. Those die young, but V8 counts their bytes and soon marks the whole heap to find that out, again and
 * again. A collection of the young generation frees them for a tenth of a millisecond, if it comes in time. Needs `--expose-gc` (bin/outrigger gives it); without it nothing is
 * done. Figures: docs/adr/0003-sidecar-memory.md.
 */

/** Below the 64 MiB of buffers at which V8 begins to mark. */
const collectEveryBytes = 20 * 1024 * 1024;

let bytesSince = 0;

/** Counts bytes that pass by reference. */
export function countBulkBytes(bytes: number): void {
  bytesSince += bytes;
  if (bytesSince < collectEveryBytes) return;
  bytesSince = 0;
  const { gc } = globalThis;
  gc?.({ type: 'minor' });
}
