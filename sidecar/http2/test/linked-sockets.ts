/** Two {@link FakeSocket}s of which each reads, in the same turn, what the other is given: a connection without a kernel. */
import type { Socket } from 'node:net';
import { FakeSocket } from './fake-socket.ts';
import { RawPeer } from './raw-peer.ts';

class LinkedSocket extends FakeSocket {
  other: FakeSocket | null = null;

  override write(bytes: Buffer): boolean {
    super.write(bytes);
    this.other?.emit('data', Buffer.from(bytes));
    return true;
  }
}

/** `near` is for a connection under test; `peer` plays its other end. What is written meanwhile the peer sees once `near` has handed it over. */
export function linkedPeer(asServer: boolean): { near: FakeSocket; socket: Socket; peer: RawPeer } {
  const near = new LinkedSocket();
  const far = new LinkedSocket();
  near.other = far;
  far.other = near;
  return { near, socket: near.asSocket, peer: new RawPeer(far.asSocket, asServer) };
}
