/** The address whom a request is for, as text: of the peer, or of whom trusted hops forwarded it for. */
import { SocketAddress } from 'node:net';
import { type IpAddress, parseEndpoint } from './rbac/ip-address.ts';
import { type ForwardedForRules, forwardedClient } from './rbac/request-view.ts';
import type { GateRequest } from './request-gate.ts';

/** Null: the peer has no IP address. */
export function clientAddress({ head, connection }: GateRequest, rules: ForwardedForRules): IpAddress | null {
  return forwardedClient(head.fields, rules)?.address ?? parseEndpoint(connection.remoteAddress).address;
}

export function addressText({ family, words }: IpAddress): string {
  const bytes = words.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]);
  if (family === 4) return bytes.slice(0, 4).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** The network of an address, as `10.1.0.0/16`. */
export function networkText(address: IpAddress, v4Bits: number, v6Bits: number): string {
  const bits = address.family === 4 ? v4Bits : v6Bits;
  const words = address.words.map((word, i) => {
    const kept = Math.min(32, Math.max(0, bits - 32 * i));
    return kept === 0 ? 0 : (word & (0xffff_ffff << (32 - kept))) >>> 0;
  }) as unknown as IpAddress['words'];
  return `${addressText({ family: address.family, words })}/${bits}`;
}
