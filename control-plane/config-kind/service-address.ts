/** Addresses of a Service, as Kubernetes writes them: `clusterIP` and `clusterIPs`, where `None` and '' say that it has none. */
import { isIP, SocketAddress } from 'node:net';
import { z } from 'zod';

export const clusterIp = z
  .string()
  .refine((text) => text === '' || text === 'None' || (isIP(text) !== 0 && !text.includes('%')), {
    error: 'is not an IP address; write 10.96.0.7 or fd00::7, or None',
  });

/** In their usual form (`fd00::7` for `FD00:0::7`), each once. */
export function clusterAddresses(spec: {
  readonly clusterIP?: string | undefined;
  readonly clusterIPs?: readonly string[] | undefined;
}): readonly string[] {
  const written = [spec.clusterIP ?? '', ...(spec.clusterIPs ?? [])];
  return [...new Set(written.filter((text) => isIP(text) !== 0).map(usualForm))];
}

function usualForm(address: string): string {
  return isIP(address) === 4 ? address : new SocketAddress({ address, family: 'ipv6' }).address;
}
