/** Addresses and CIDR blocks as rules name them: `10.0.0.0/8`, `fd00::/8`, or one address. */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { IpBlock } from './policy-resource.ts';

export const ipBlocks = z
  .array(
    z.string().refine((text) => ipBlock(text) !== null, {
      error: 'is not an address or a block of addresses; write 10.0.0.0/8, fd00::/8 or 10.0.3.7',
    }),
  )
  .min(1, { error: 'is empty; leave it out when it is not to matter' })
  .max(1_000, { error: 'has more than 1000 entries' });

/** Null when it is neither. */
export function ipBlock(text: string): IpBlock | null {
  const [address = '', length, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes('%')) return null;
  const bits = family === 4 ? 32 : 128;
  if (length === undefined) return { address, prefixLength: bits };
  return /^(?:0|[1-9][0-9]{0,2})$/.test(length) && Number(length) <= bits
    ? { address, prefixLength: Number(length) }
    : null;
}

export function ipBlockList(texts: readonly string[] | undefined): IpBlock[] {
  return (texts ?? []).map((text) => ipBlock(text)!);
}
