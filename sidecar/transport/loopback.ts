/** Loopback: the two addresses at which an application of this machine is called, one of each family, and the whole range, which nobody outside of the machine can call. */
import { isIP } from 'node:net';

const loopback = ['127.0.0.1', '::1'] as const;

export function isLoopback(host: string): boolean {
  return host === loopback[0] || host === loopback[1];
}

/** The application of this machine, which a cluster has at 127.0.0.1, is at ::1 for a caller of IPv6 whose address it is to see; and the other way round. Other hosts are where they are. `source` '': any. */
export function nearestLoopback(source: string, host: string): string {
  if (source === '' || !isLoopback(host)) return host;
  return loopback[isIP(source) === 6 ? 1 : 0];
}

/** 127.0.0.0/8 (also as an IPv4-mapped address) or ::1. */
export function isInLoopbackRange(address: string): boolean {
  if (address === loopback[1]) return true;
  const bare = address.replace(/^::ffff:/i, '');
  return bare.startsWith('127.') && isIP(bare) === 4;
}
