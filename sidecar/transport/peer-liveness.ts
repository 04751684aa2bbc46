/**
 * Whether the host at the other end of a TCP connection is there, by what its kernel acknowledges: a process that is slow, or stands still, does not matter, and a host that is gone acknowledges nothing.
 *
 * Node has no call for it, so this is the C library's getsockopt (node:ffi; about 2 µs, and not before a connection is suspected). Where it cannot be had (no Linux, no FFI) nothing is known.
 */
import type { Socket } from 'node:net';
import type { TcpKeepAliveConfig } from '../config/cluster-config.ts';
import { setKeepAlive } from './connect.ts';

export interface Acknowledgements {
  /** Since the last segment of the peer that acknowledged, with or without data. */
  readonly lastMs: number;
  /** How often what was sent was sent again, and how many probes were, without an answer. */
  readonly unanswered: number;
}

export interface PeerLiveness {
  /** Null: it is not known. */
  acknowledgements(socket: Socket): Acknowledgements | null;
  /** The kernel asks the peer, every second in which nothing comes; or, `probing` false, as often as `configured` says. */
  probe(socket: Socket, probing: boolean, configured: TcpKeepAliveConfig | null): void;
}

/** Of the system's own sockets. */
export const kernelLiveness: PeerLiveness = {
  acknowledgements,
  probe: (socket, probing, configured) => setKeepAlive(socket, probing ? eachSecond : configured),
};

/** More probes than are waited for: whether the connection ends is not the kernel's to say. */
const eachSecond: TcpKeepAliveConfig = { idleMs: 1_000, intervalMs: 1_000, probes: 60 };

/** IPPROTO_TCP and TCP_INFO of Linux. */
const tcpLevel = 6;
const tcpInfo = 11;
/** `struct tcp_info`: bytes at these places, and a 32-bit number. */
const retransmitsAt = 2;
const probesAt = 3;
const lastAckReceivedAt = 56;
const wantedBytes = lastAckReceivedAt + 4;

type GetSocketOption = (fd: number, level: number, name: number, value: Buffer, length: Buffer) => number;

/** Undefined: not looked for yet; null: there is none. */
let getSocketOption: GetSocketOption | null | undefined;
const value = Buffer.alloc(wantedBytes);
const length = Buffer.alloc(4);

function acknowledgements(socket: Socket): Acknowledgements | null {
  if (getSocketOption === undefined) getSocketOption = load();
  // Documented nowhere, and the only way to a socket's descriptor. Absent once it is closed.
  const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
  if (getSocketOption === null || fd < 0) return null;
  length.writeInt32LE(wantedBytes);
  if (getSocketOption(fd, tcpLevel, tcpInfo, value, length) !== 0 || length.readInt32LE() < wantedBytes) return null;
  return {
    lastMs: value.readUInt32LE(lastAckReceivedAt),
    unanswered: value[retransmitsAt]! + value[probesAt]!,
  };
}

function load(): GetSocketOption | null {
  if (process.platform !== 'linux') return null;
  try {
    const { functions } = process.getBuiltinModule('node:ffi').dlopen(null, {
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
    });
    return functions.getsockopt as unknown as GetSocketOption;
  } catch {
    return null;
  }
}
