/** A connection under somebody else's address (IP_TRANSPARENT), as a sidecar behind TPROXY makes one. By the C library; waits until the connection is there. */
import type { Family } from '../../cli/intercept/address-range.ts';

const { functions } = process.getBuiltinModule('node:ffi').dlopen(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'buffer', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'buffer', 'i32'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'i32'], return: 'i32' },
});
const calls = functions as unknown as {
  readonly socket: (family: number, kind: number, protocol: number) => number;
  readonly bind: (fd: number, address: Buffer, length: number) => number;
  readonly connect: (fd: number, address: Buffer, length: number) => number;
  readonly setsockopt: (fd: number, level: number, option: number, value: Buffer, length: number) => number;
};

/** The socket is the effective user's; its option is set as root. Gives the descriptor. */
export function connectFrom(family: Family, source: string, target: string, port: number): number {
  const isIpv4 = family === 'IPv4';
  const fd = calls.socket(isIpv4 ? 2 : 10, 1, 0);
  const user = process.geteuid?.() ?? 0;
  process.seteuid?.(0);
  const [level, option] = isIpv4 ? [0, 19] : [41, 75];
  const isTransparent = calls.setsockopt(fd, level, option, Buffer.from([1, 0, 0, 0]), 4) === 0;
  const from = socketAddress(family, source, 0);
  const isBound = calls.bind(fd, from, from.length) === 0;
  process.seteuid?.(user);
  const to = socketAddress(family, target, port);
  if (!isTransparent || !isBound || calls.connect(fd, to, to.length) !== 0)
    throw new Error(`no connection from ${source} to ${target} ${port}`);
  return fd;
}

function socketAddress(family: Family, address: string, port: number): Buffer {
  const bytes = Buffer.alloc(family === 'IPv4' ? 16 : 28);
  bytes.writeUInt16LE(family === 'IPv4' ? 2 : 10, 0);
  bytes.writeUInt16BE(port, 2);
  if (family === 'IPv4') address.split('.').forEach((part, at) => bytes.writeUInt8(Number(part), 4 + at));
  else {
    const [head = '', tail = ''] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
    const words = (text: string): string[] => (text === '' ? [] : text.split(':'));
    words(head).forEach((word, at) => bytes.writeUInt16BE(Number.parseInt(word, 16), 8 + 2 * at));
    const back = words(tail);
    back.forEach((word, at) => bytes.writeUInt16BE(Number.parseInt(word, 16), 24 - 2 * (back.length - at)));
  }
  return bytes;
}
