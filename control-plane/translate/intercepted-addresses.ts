/** Addresses of Services for callers whose traffic is redirected. */
import type { ServiceAddresses } from '../model/service-addresses.ts';
import type { IpFamily } from './proxy-node.ts';

/** By `namespace/name`. */
export type Addresses = ReadonlyMap<string, ServiceAddresses>;

/** Of the families that the host has. */
export function addressesFor(addresses: Addresses, service: string, families: readonly IpFamily[]): readonly string[] {
  return (addresses.get(service)?.addresses ?? []).filter((address) =>
    families.includes(address.includes(':') ? 'IPv6' : 'IPv4'),
  );
}
