/** What a user is told of a listener of `sidecar --service` that could not be bound: who is in the way, and the flag that gives it another address. */
import { upstreamName } from '../control-plane/translate/resource-names.ts';
import type { BindFault } from '../sidecar/listener/bound-socket.ts';
import { type Upstream, upstreamText } from './upstream.ts';

export function bindFaultLine(fault: BindFault, upstreams: readonly Upstream[]): string {
  const { listener, address, code, why } = fault;
  if (code === 'EPERM')
    return `cannot listen on ${address}: ${why}: run this sidecar with NET_ADMIN (CAP_NET_ADMIN), or with --interception redirect and rules for that`;
  if (listener === 'inbound' || listener === 'outbound')
    return `cannot listen on ${address}: ${why}; choose another with --${listener}-listen`;
  const upstream = upstreams.find(({ namespace, name, port }) => upstreamName(namespace, name, port) === listener);
  if (upstream === undefined) return fault.message;
  return `cannot listen on ${address} for --upstream ${upstreamText(upstream)}: ${why}; choose another, or none to take a free one`;
}
