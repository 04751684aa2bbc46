/**
 * The flags that say where the control plane is may have a name in the place of an address. It stays a name, which is looked up for each connection: in a pod or a compose file it may come later, and stand for
 * another address tomorrow. Looked up here only to find out whether it is this machine, whose control plane leaves a proof; and to tell of one that nobody knows (yet).
 */
import { isIP } from 'node:net';
import { isHostName, lookUpFault, lookUpHost } from '../sidecar/transport/host-name.ts';
import { formatHostPort, isLoopback, parseHostPort } from './host-port.ts';
import type { SidecarFlags } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

const flagNames = ['control-plane', 'control-plane-tls'] as const;

/** Rejects with a `code` when there is no address. */
export type LookUp = (name: string) => Promise<string>;

const systemLookUp: LookUp = (name) =>
  new Promise((resolve, reject) => {
    lookUpHost(name, {}, (error, address) => (error === null ? resolve(address as string) : reject(error)));
  });

/** The flags, with an address for a name of this machine. Throws a UserError for what is neither an address nor a name. */
export async function withAddresses(
  flags: SidecarFlags,
  tell: (line: string) => void,
  lookUp: LookUp = systemLookUp,
): Promise<SidecarFlags> {
  const values = { ...flags.values };
  for (const name of flagNames) {
    const text = values[name];
    if (text === undefined) continue;
    const { host, port } = parseHostPort(`--${name}`, text);
    if (isIP(host) !== 0) continue;
    if (!isHostName(host))
      throw new UserError(
        `--${name}: ${JSON.stringify(host)} is neither an IP address nor a name; give the control plane's name or IP address`,
      );
    try {
      const address = await lookUp(host);
      if (isLoopback(address)) values[name] = formatHostPort({ host: address, port });
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      tell(
        `--${name}: ${JSON.stringify(host)}: ${lookUpFault(code) || message}${code === '' ? '' : ` (${code})`}; it is looked up again with each attempt to connect`,
      );
    }
  }
  return { ...flags, values };
}
