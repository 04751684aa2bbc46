/** Addresses and ports by which an installation can be tried: those that its settings intercept. Pure. */
import { addressIn, type Family, holdsAddress } from './address-range.ts';
import type { InterceptConfig, Selection } from './intercept-config.ts';
import { holdsPort } from './port-range.ts';

/** For documents (RFC 5737, 3849): nobody is there. */
export const nobody = { IPv4: '198.51.100.1', IPv6: '2001:db8:6f75::1' } as const;
/** Ports that nobody minds, and the last resort. */
const plainPorts = [80, 8080, 9, 4321];

/** Null: the settings intercept nothing of that family. */
export function outboundTarget(
  { outbound, dnsPort }: InterceptConfig,
  family: Family,
): { readonly address: string; readonly port: number } | null {
  const { includeRanges, excludeRanges } = outbound;
  const candidates =
    includeRanges === null
      ? [nobody[family]]
      : includeRanges
          .filter((range) => range.family === family)
          // The first of a network is often a gateway's, or the network's own.
          .flatMap((range) => [addressIn(range, 77), addressIn(range, 5), addressIn(range, 0)]);
  const address = candidates.find((candidate) => candidate !== null && !holdsAddress(excludeRanges, candidate));
  const port = selectedPort(outbound, dnsPort === null ? [] : [53]);
  return address === undefined || address === null || port === null ? null : { address, port };
}

/** A port of the application whose connections are intercepted. */
export function inboundPort({ inbound, inboundPort: own, outboundPort, healthPort }: InterceptConfig): number | null {
  return selectedPort(inbound, [own, outboundPort, healthPort ?? 0]);
}

function selectedPort({ includePorts, excludePorts }: Selection, not: readonly number[]): number | null {
  const candidates = includePorts === null ? plainPorts : includePorts.flatMap(({ from, to }) => [from, to]);
  const fits = (port: number): boolean => !holdsPort(excludePorts, port) && !not.includes(port);
  const found = candidates.find(fits);
  if (found !== undefined) return found;
  const ranges = includePorts ?? [{ from: 1, to: 65_535 }];
  for (const { from, to } of ranges) for (let port = from; port <= to; port++) if (fits(port)) return port;
  return null;
}
