/** Whether flags give one port to two listeners of this machine: told before anything is started, as the second would find the first in its way. Looks at no socket: who else has a port is port-holder.ts. */
import { type HostPort, parseHostPort } from './host-port.ts';
import { type Upstream, upstreamText } from './upstream.ts';
import { UserError } from './user-error.ts';

/** Where /metrics and /healthz of a service's sidecar are unless a flag says it: scrapers and probes come from elsewhere. */
export const defaultProbeAddress = '0.0.0.0:15020';

/** `given`: flags, as the user knows them, with the address that each gives; `off` and port 0 are in nobody's way. Throws a UserError. */
export function checkListenPorts(given: ReadonlyArray<readonly [flag: string, address: string]>): void {
  const before: Array<readonly [string, HostPort]> = [];
  for (const [flag, text] of given) {
    if (text === 'off') continue;
    const address = parseHostPort(flag, text);
    const other = before.find(([, each]) => each.port !== 0 && each.port === address.port && meet(each, address));
    if (other !== undefined)
      throw new UserError(`${other[0]} and ${flag} both have the port ${address.port}; give each its own`, 2);
    before.push([flag, address]);
  }
}

/** Where the sidecar of `run --intercept` listens, in the command's own network. */
export const interceptedAddresses = {
  outbound: '127.0.0.1:15001',
  inbound: '0.0.0.0:15006',
  admin: '127.0.0.1:15000',
  metrics: '0.0.0.0:15020',
  dns: '127.0.0.1:15053',
} as const;

/** Of `run`: the command's port, and those of its sidecar. */
export function checkRunPorts(
  flags: Readonly<Record<'port' | 'outboundListen' | 'inboundListen' | 'sidecarAdmin' | 'listenMetrics', string>> & {
    readonly intercept?: boolean;
  },
  upstreams: readonly Upstream[],
): void {
  if (flags.intercept === true) {
    const taken = Object.values(interceptedAddresses).find(
      (address) => parseHostPort('', address).port === Number(flags.port),
    );
    if (taken !== undefined)
      throw new UserError(
        `--port ${flags.port}: with --intercept the sidecar listens there, in the command's own network; let the command listen on another port`,
        2,
      );
    return;
  }
  checkListenPorts([
    ['--port', `127.0.0.1:${flags.port}`],
    ['--outbound-listen', flags.outboundListen],
    ['--inbound-listen', flags.inboundListen],
    ['--sidecar-admin', flags.sidecarAdmin],
    ['--listen-metrics', flags.listenMetrics],
    ...upstreamPorts(upstreams),
  ]);
}

export function upstreamPorts(upstreams: readonly Upstream[]): ReadonlyArray<readonly [flag: string, address: string]> {
  return upstreams.map((each) => [`--upstream ${upstreamText(each)}`, `127.0.0.1:${each.localPort}`]);
}

/** Whether both stand for one address of this machine. */
function meet({ host: a }: HostPort, { host: b }: HostPort): boolean {
  const [one, two] = [a, b].map((host) => (host === 'localhost' ? '127.0.0.1' : host));
  return one === two || one === '0.0.0.0' || two === '0.0.0.0' || one === '::' || two === '::';
}
