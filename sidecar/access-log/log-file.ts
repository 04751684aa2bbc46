/**
 * Opens a file for an access log in a way that waits for nobody: a pipe without a reader is an error at once, and one whose reader is slow takes what it can, as a socket does. (Node's own file streams
 * wait in a thread of the pool for the first, and give up on the second.)
 */
import { constants, createWriteStream, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { PassThrough, type Writable } from 'node:stream';

const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const mode = 0o640;

/** Throws what open(2) said. */
export function openLogDescriptor(path: string): number {
  return openSync(path, flags, mode);
}

/** What goes wrong is an 'error' of the stream. */
export function openLogFile(path: string): Writable {
  let fd: number;
  try {
    fd = openLogDescriptor(path);
  } catch (error) {
    const broken = new PassThrough();
    broken.destroy(error as Error);
    return broken;
  }
  if (fstatSync(fd).isFIFO()) return new Socket({ fd, readable: false, writable: true });
  return createWriteStream(path, { fd });
}
