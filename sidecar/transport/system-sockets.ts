/**
 * What Node's sockets cannot do, by the C library (node:ffi): where a redirected connection was going, and sockets that are bound transparently before they listen or connect. Nothing of it is
 * loaded before somebody asks. Where it cannot be had (no Linux, no FFI) `systemSocketsFault` says so, and callers refuse what would need it.
 */
import { isIPv6 } from 'node:net';
import { constants } from 'node:os';
import type { SocketAddress } from '../config/listener-config.ts';

/** What is set of a socket before it is bound. */
export interface SocketSettings {
  /** IP_TRANSPARENT: an address that is none of this machine's, both for TPROXY and as a source. Needs CAP_NET_ADMIN. */
  readonly transparent?: boolean;
  /** IP_FREEBIND: an address that this machine has not yet. */
  readonly freebind?: boolean;
  /** SO_MARK; 0: none. Needs CAP_NET_ADMIN. */
  readonly mark?: number;
  readonly reusePort?: boolean;
  /** Of IPv6. */
  readonly ipv6Only?: boolean;
  /** IP_BIND_ADDRESS_NO_PORT: the port is chosen when it connects, so that the same port serves connections to different hosts. */
  readonly portLater?: boolean;
}

interface CLibrary {
  socket(family: number, type: number, protocol: number): number;
  getsockopt(fd: number, level: number, name: number, value: Buffer, length: Buffer): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  close(fd: number): number;
  /** Of the last call that failed. */
  errno(): number;
}

// Linux, on every architecture that Node runs on but MIPS.
const ipv4Family = 2;
const ipv6Family = 10;
const streamSocket = 1;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;
const socketLevel = 1;
const reuseAddress = 2;
const reusePortOption = 15;
const markOption = 36;
const ipLevel = 0;
const ipv6Level = 41;
const originalDestinationOption = 80;
const ipFreebind = 15;
const ipTransparent = 19;
const ipBindAddressNoPort = 24;
const ipv6Only = 26;
const ipv6Transparent = 75;
const ipv6Freebind = 78;

/** Undefined: not looked for yet. */
let library: CLibrary | string | undefined;

/** Why there is none, for people; '': there is. */
export function systemSocketsFault(): string {
  const found = load();
  return typeof found === 'string' ? found : '';
}

/** The descriptor of a socket; -1: it has none (any more). Documented nowhere, and the only way to it. */
export function descriptorOf(socket: unknown): number {
  return (socket as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
}

const addressBuffer = Buffer.alloc(28);
const lengthBuffer = Buffer.alloc(4);

/** Where the connection was going before a rule of this machine (REDIRECT, DNAT) took it; null: no rule did, or it is not known. About 3 µs. */
export function originalDestination(fd: number, ipv6: boolean): SocketAddress | null {
  const c = load();
  if (typeof c === 'string' || fd < 0) return null;
  lengthBuffer.writeInt32LE(ipv6 ? 28 : 16);
  if (c.getsockopt(fd, ipv6 ? ipv6Level : ipLevel, originalDestinationOption, addressBuffer, lengthBuffer) !== 0)
    return null;
  const port = addressBuffer.readUInt16BE(2);
  if (!ipv6) return { host: addressBuffer.subarray(4, 8).join('.'), port };
  const groups: string[] = [];
  for (let at = 8; at < 24; at += 2) groups.push(addressBuffer.readUInt16BE(at).toString(16));
  return { host: canonicalIpv6(groups.join(':')), port };
}

/** As Node shows it. */
function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** A new TCP socket, bound, for Node to listen on or to connect with. Throws an error with `code` and `syscall` as Node's own have. */
export function boundSocket({ host, port }: SocketAddress, settings: SocketSettings): number {
  const c = load();
  if (typeof c === 'string') throw Object.assign(new Error(c), { code: 'ENOSYS', syscall: 'socket' });
  const v6 = isIPv6(host);
  const fd = c.socket(v6 ? ipv6Family : ipv4Family, streamSocket | nonBlocking | closeOnExec, 0);
  if (fd < 0) throw systemError(c, 'socket');
  const level = v6 ? ipv6Level : ipLevel;
  const { transparent = false, freebind = false, mark = 0, reusePort = false, portLater = false } = settings;
  const options: Array<readonly [level: number, name: number, value: number, what: string]> = [
    ...(portLater ? [] : [[socketLevel, reuseAddress, 1, 'SO_REUSEADDR'] as const]),
    ...(reusePort ? [[socketLevel, reusePortOption, 1, 'SO_REUSEPORT'] as const] : []),
    ...(v6 ? [[ipv6Level, ipv6Only, settings.ipv6Only === true ? 1 : 0, 'IPV6_V6ONLY'] as const] : []),
    ...(transparent ? [[level, v6 ? ipv6Transparent : ipTransparent, 1, 'IP_TRANSPARENT'] as const] : []),
    ...(freebind ? [[level, v6 ? ipv6Freebind : ipFreebind, 1, 'IP_FREEBIND'] as const] : []),
    ...(mark !== 0 ? [[socketLevel, markOption, mark, 'SO_MARK'] as const] : []),
    // Of the IPv4 level for both families.
    ...(portLater ? [[ipLevel, ipBindAddressNoPort, 1, 'IP_BIND_ADDRESS_NO_PORT'] as const] : []),
  ];
  for (const [optionLevel, name, value, what] of options) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    if (c.setsockopt(fd, optionLevel, name, bytes, 4) === 0) continue;
    const error = systemError(c, `setsockopt ${what}`);
    c.close(fd);
    throw error;
  }
  const address = socketAddressBytes(host, port, v6);
  if (c.bind(fd, address, address.length) !== 0) {
    const error = systemError(c, 'bind');
    c.close(fd);
    throw error;
  }
  return fd;
}

function socketAddressBytes(host: string, port: number, v6: boolean): Buffer {
  const bytes = Buffer.alloc(v6 ? 28 : 16);
  bytes.writeUInt16LE(v6 ? ipv6Family : ipv4Family, 0);
  bytes.writeUInt16BE(port, 2);
  if (v6) ipv6Bytes(host).copy(bytes, 8);
  else for (const [i, part] of host.split('.').entries()) bytes[4 + i] = Number(part);
  return bytes;
}

/** The 16 bytes of an IPv6 address, in whatever form it is written. */
export function ipv6Bytes(host: string): Buffer {
  // A URL knows every form of it, and gives groups of hex digits.
  const [before = '', after] = canonicalIpv6(host.replace(/%.*$/, '')).split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const head = groups(before);
  const tail = after === undefined ? [] : groups(after);
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of all.entries()) bytes.writeUInt16BE(group, i * 2);
  return bytes;
}

function systemError(c: CLibrary, syscall: string): NodeJS.ErrnoException {
  const errno = c.errno();
  const code = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `ERRNO_${errno}`;
  return Object.assign(new Error(`${syscall}: ${code}`), { code, syscall, errno });
}

function load(): CLibrary | string {
  return (library ??= find());
}

function find(): CLibrary | string {
  if (process.platform !== 'linux') return 'this takes Linux';
  try {
    const ffi = process.getBuiltinModule('node:ffi');
    const { functions } = ffi.dlopen(null, {
      socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
      setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
      bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
      close: { arguments: ['i32'], return: 'i32' },
      __errno_location: { arguments: [], return: 'pointer' },
    });
    const { socket, getsockopt, setsockopt, bind, close, __errno_location: errnoAt } = functions;
    return {
      socket,
      getsockopt,
      setsockopt,
      bind,
      close,
      errno: () => ffi.getInt32(errnoAt()),
    } as unknown as CLibrary;
  } catch (error) {
    return `this takes node:ffi, which this Node does not have (${(error as Error).message})`;
  }
}
