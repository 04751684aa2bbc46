/** Progress of what was written to a socket. Not what the peer has read: what the kernel holds for it is not seen from here. */
import type { Socket } from 'node:net';

/** What of a handle is needed. Not documented by Node, hence asked for before it is used. */
interface Handle {
  /** Bytes that the handle was given and has not passed on; lowered with every part that is. */
  readonly writeQueueSize?: number;
  /** TLS: the handle below. */
  readonly _parent?: Handle | null;
}

/**
 * 0 when the kernel has taken everything. Otherwise a number that changes whenever it takes some: not a count of bytes, because Node lowers writableLength only when
 * a whole write is done, which for a large one to a slow reader takes minutes; so what the handles still hold is added.
 */
export function untakenBytes(socket: Socket): number {
  let bytes = socket.writableLength;
  if (bytes === 0) return 0;
  let handle = (socket as { readonly _handle?: Handle | null })._handle ?? null;
  for (; handle !== null; handle = handle._parent ?? null) bytes += handle.writeQueueSize ?? 0;
  return bytes;
}
