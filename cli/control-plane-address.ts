/** The flags that say where the control plane is may have a name in the place of an address: it is looked up once, at the start. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Waiting } from './await-identity.ts';
import { formatHostPort, parseHostPort } from './host-port.ts';
import type { SidecarFlags } from './sidecar-flags.ts';
import { UserError } from './user-error.ts';

const flagNames = ['control-plane', 'control-plane-tls'] as const;

/** IPv4 where there is one. Rejects with a `code` when there is no such name. */
export type LookUp = (name: string) => Promise<string>;

const systemLookUp: LookUp = async (name) => (await lookup(name, { order: 'ipv4first' })).address;

const stepMs = 1_000;
const tellEveryMs = 10_000;
/** The name server did not answer: it may in a while. */
const temporary: ReadonlySet<string> = new Set(['EAI_AGAIN', 'ETIMEOUT', 'ESERVFAIL']);

/** The flags with addresses only. Throws a UserError for a name that has none; waits for a name server that does not answer, as for a control plane that does not. */
export async function withAddresses(
  flags: SidecarFlags,
  { sleep, tell }: Waiting,
  lookUp: LookUp = systemLookUp,
): Promise<SidecarFlags> {
  const values = { ...flags.values };
  for (const name of flagNames) {
    const text = values[name];
    if (text === undefined) continue;
    const { host, port } = parseHostPort(`--${name}`, text);
    if (isIP(host) !== 0) continue;
    for (let waitedMs = 0; ; waitedMs += stepMs) {
      try {
        values[name] = formatHostPort({ host: await lookUp(host), port });
        break;
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException;
        if (!temporary.has(code))
          throw new UserError(
            `--${name}: no address is known for ${JSON.stringify(host)}${code === '' ? '' : ` (${code})`}; give the control plane's name or IP address`,
          );
        if (waitedMs % tellEveryMs === 0)
          tell(
            `waiting for the address of ${JSON.stringify(host)} (--${name}): the name server does not answer (${code})`,
          );
        await sleep(stepMs);
      }
    }
  }
  return { ...flags, values };
}
