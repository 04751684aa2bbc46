/** The flags that say where the control plane is may have a name in the place of an address: it is looked up once, at the start. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { formatHostPort, parseHostPort } from './host-port.ts';
import type { SidecarFlags } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

const flagNames = ['control-plane', 'control-plane-tls'] as const;

/** IPv4 where there is one. Rejects with a `code` when there is no such name. */
export type LookUp = (name: string) => Promise<string>;

const systemLookUp: LookUp = async (name) => (await lookup(name, { order: 'ipv4first' })).address;

/** The flags with addresses only. Throws a UserError for a name that has none. */
export async function withAddresses(flags: SidecarFlags, lookUp: LookUp = systemLookUp): Promise<SidecarFlags> {
  const values = { ...flags.values };
  for (const name of flagNames) {
    const text = values[name];
    if (text === undefined) continue;
    const { host, port } = parseHostPort(`--${name}`, text);
    if (isIP(host) !== 0) continue;
    try {
      values[name] = formatHostPort({ host: await lookUp(host), port });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UserError(
        `--${name}: no address is known for ${JSON.stringify(host)}${code === undefined ? '' : ` (${code})`}; give the control plane's name or IP address`,
      );
    }
  }
  return { ...flags, values };
}
