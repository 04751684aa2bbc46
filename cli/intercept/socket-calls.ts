/**
 * What Node has no call for and interception needs to be tried out: the original destination of a redirected connection, and a listener that takes what TPROXY hands it. By the C library (node:ffi).
 *
 * For `--verify` and its tests; not the data path.
 */
import { isIPv4, type Socket } from 'node:net';
import type { Family } from './address-range.ts';

/** Of Linux. */
const levelOf = { IPv4: 0, IPv6: 41 } as const;
const originalDestinationOption = 80;
const transparentOption = { IPv4: 19, IPv6: 75 } as const;
const reuseAddress = { level: 1, option: 2 } as const;
const ipv6Only = 26;
const familyNumber = { IPv4: 2, IPv6: 10 } as const;
const addressLength = { IPv4: 16, IPv6: 28 } as const;
const streamSocket = 1;

interface Calls {
  readonly socket: (family: number, kind: number, protocol: number) => number;
  readonly bind: (fd: number, address: Buffer, length: number) => number;
  readonly listen: (fd: number, backlog: number) => number;
  readonly close: (fd: number) => number;
  readonly getsockopt: (fd: number, level: number, option: number, value: Buffer, length: Buffer) => number;
  readonly setsockopt: (fd: number, level: number, option: number, value: Buffer, length: number) => number;
}

/** Undefined: not looked for yet; null: there is no FFI here. */
let calls: Calls | null | undefined;

export function socketCalls(): Calls | null {
  if (calls !== undefined) return calls;
  try {
    const { functions } = process.getBuiltinModule('node:ffi').dlopen(null, {
      socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      bind: { arguments: ['i32', 'buffer', 'i32'], return: 'i32' },
      listen: { arguments: ['i32', 'i32'], return: 'i32' },
      close: { arguments: ['i32'], return: 'i32' },
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
      setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'i32'], return: 'i32' },
    });
    calls = functions as unknown as Calls;
  } catch {
    calls = null;
  }
  return calls;
}

/** `ADDRESS PORT` of the place that the connection was for; null: it was not redirected, or it cannot be known. */
export function originalDestination(socket: Socket): { readonly address: string; readonly port: number } | null {
  const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
  const functions = socketCalls();
  if (functions === null || fd < 0) return null;
  const family: Family = isIPv4(plainAddress(socket.localAddress)) ? 'IPv4' : 'IPv6';
  const value = Buffer.alloc(addressLength.IPv6);
  const length = Buffer.alloc(4);
  length.writeInt32LE(addressLength[family]);
  if (functions.getsockopt(fd, levelOf[family], originalDestinationOption, value, length) !== 0) return null;
  const port = value.readUInt16BE(2);
  if (family === 'IPv4') return { address: [...value.subarray(4, 8)].join('.'), port };
  const words = Array.from({ length: 8 }, (_, at) => value.readUInt16BE(8 + 2 * at).toString(16));
  return { address: new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1), port };
}

/** IPv4 as it is, also when a listener of IPv6 took it. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}

/** The descriptor of a listener on all addresses that takes connections for any address; for `server.listen({ fd })`. Throws when it cannot be had. */
export function transparentListener(family: Family, port: number): number {
  const functions = socketCalls();
  if (functions === null) throw new Error('this Node has no node:ffi');
  const fd = functions.socket(familyNumber[family], streamSocket, 0);
  const on = Buffer.from([1, 0, 0, 0]);
  const address = Buffer.alloc(addressLength[family]);
  address.writeUInt16LE(familyNumber[family], 0);
  address.writeUInt16BE(port, 2);
  const done =
    functions.setsockopt(fd, reuseAddress.level, reuseAddress.option, on, 4) === 0 &&
    (family === 'IPv4' || functions.setsockopt(fd, levelOf.IPv6, ipv6Only, on, 4) === 0) &&
    functions.setsockopt(fd, levelOf[family], transparentOption[family], on, 4) === 0 &&
    functions.bind(fd, address, address.length) === 0 &&
    functions.listen(fd, 128) === 0;
  if (done) return fd;
  functions.close(fd);
  throw Object.assign(new Error(`no listener on port ${port} for TPROXY`), { code: 'EADDRINUSE' });
}
