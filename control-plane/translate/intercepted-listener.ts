/** What both listeners of a proxy that traffic is redirected to have in common. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Listener, ListenerSchema } from '../../proto/generated/envoy/config/listener/v3/listener_pb.js';
import { durationOf, socketAddress } from './api-values.ts';
import type { HostPort, IpFamily } from './proxy-node.ts';

type ListenerFields = Exclude<MessageInitShape<typeof ListenerSchema>, Listener>;

/** What the inspection of first bytes calls HTTP; TLS may say `h2` and `http/1.1` too, and is none of it. */
export const detectedHttp: readonly string[] = ['http/1.0', 'http/1.1', 'h2c'];

/** Who does not speak first is taken for who waits for the other side to. */
const detectionTimeoutMs = 50;

export function redirectedFields(): ListenerFields {
  return {
    listenerFiltersTimeout: durationOf(detectionTimeoutMs),
    continueOnListenerFiltersTimeout: true,
  };
}

/** One address per family of the host: the one that was given, and its counterpart. */
export function interceptedAddresses(
  { host, port }: HostPort,
  families: readonly IpFamily[],
  byFamily: Readonly<Record<IpFamily, string>>,
): ListenerFields {
  const given: IpFamily = host.includes(':') ? 'IPv6' : 'IPv4';
  const isDefault = host === byFamily.IPv4;
  // An address that somebody chose stands; the usual one only where the host has its family.
  const first = isDefault && !families.includes('IPv4') ? byFamily.IPv6 : host;
  const others = families.filter((family) => family !== given && byFamily[family] !== first);
  return {
    address: socketAddress(first, port),
    additionalAddresses: others.map((family) => ({ address: socketAddress(byFamily[family], port) })),
  };
}
