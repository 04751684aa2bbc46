/**
 * Who speaks first. A caller that says nothing may be waiting for the server to speak (SMTP, MySQL), or may only be slow. So what would serve it as TCP connects to its upstream, and whichever of
 * the two says something first decides: the upstream: it is TCP; the caller: what it says is looked at, as ever.
 */
import type { Socket } from 'node:net';

/** An upstream connection that waits for its caller. */
export interface Race {
  /** The caller is of this kind, whatever has become of the upstream. `first`: what was read of it; `ended`: that was all. */
  take(socket: Socket, first: Buffer | null, ended: boolean): void;
  /** It is not. */
  abandon(): void;
}

export interface RaceOwner {
  /** The upstream has said something, or has ended. */
  onUpstreamFirst(): void;
  /** There is no upstream, or no more: nobody but the caller can speak. May be told from inside of the call that began the race. */
  onRaceFailed(): void;
  /** Nothing happened for as long as the connection may be idle. The race is abandoned. */
  onRaceOver(): void;
}
