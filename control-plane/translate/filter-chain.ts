/** Filter chains by what they match. */
import { create } from '@bufbuild/protobuf';
import { CidrRangeSchema } from '../../proto/generated/envoy/config/core/v3/address_pb.js';
import type { TransportSocket } from '../../proto/generated/envoy/config/core/v3/base_pb.js';
import {
  type Filter,
  type FilterChain,
  FilterChainMatchSchema,
  FilterChainSchema,
} from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';

/** What is left out matches anything. */
export interface Match {
  readonly destinationPort?: number;
  /** IP literals: the destination is one of them. */
  readonly addresses?: readonly string[];
  readonly serverNames?: readonly string[];
  readonly transportProtocol?: 'tls' | 'raw_buffer';
  readonly applicationProtocols?: readonly string[];
}

export function chain(
  name: string,
  match: Match,
  filters: readonly Filter[],
  transportSocket?: TransportSocket,
): FilterChain {
  const { destinationPort, addresses = [], serverNames = [], transportProtocol, applicationProtocols = [] } = match;
  return create(FilterChainSchema, {
    name,
    ...(Object.keys(match).length === 0
      ? {}
      : {
          filterChainMatch: create(FilterChainMatchSchema, {
            ...(destinationPort === undefined ? {} : { destinationPort }),
            prefixRanges: addresses.map((address) =>
              create(CidrRangeSchema, { addressPrefix: address, prefixLen: address.includes(':') ? 128 : 32 }),
            ),
            serverNames: [...serverNames],
            ...(transportProtocol === undefined ? {} : { transportProtocol }),
            applicationProtocols: [...applicationProtocols],
          }),
        }),
    ...(transportSocket === undefined ? {} : { transportSocket }),
    filters: [...filters],
  });
}
