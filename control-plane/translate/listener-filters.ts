/** Listener filters: where a redirected connection was going, and what its first bytes are. */
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import {
  type ListenerFilter,
  type ListenerFilterChainMatchPredicate,
  ListenerFilterChainMatchPredicateSchema,
  ListenerFilterSchema,
} from '../../proto/generated/envoy/config/listener/v3/listener_components_pb.js';
import { HttpInspectorSchema } from '../../proto/generated/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { OriginalDstSchema } from '../../proto/generated/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { OriginalSrcSchema } from '../../proto/generated/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { TlsInspectorSchema } from '../../proto/generated/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { packAny } from './encoded-resource.ts';
import { mergeRanges, type PortRange } from './port-ranges.ts';

/** Of what the proxy sends itself, so that rules of the kernel leave it alone (SO_MARK). */
const proxyMark = 1337;

export function originalDst(): ListenerFilter {
  return listenerFilter('envoy.filters.listener.original_dst', OriginalDstSchema, create(OriginalDstSchema));
}

/** The application sees the caller's address. */
export function originalSrc(): ListenerFilter {
  return listenerFilter(
    'envoy.filters.listener.original_src',
    OriginalSrcSchema,
    create(OriginalSrcSchema, { mark: proxyMark }),
  );
}

/** `except`: destination ports where it does not look. */
export function tlsInspector(except: readonly PortRange[] = []): ListenerFilter {
  return listenerFilter(
    'envoy.filters.listener.tls_inspector',
    TlsInspectorSchema,
    create(TlsInspectorSchema),
    anyOfPorts(except),
  );
}

/** `except`: destination ports where it does not look. */
export function httpInspector(except: readonly PortRange[] = []): ListenerFilter {
  return listenerFilter(
    'envoy.filters.listener.http_inspector',
    HttpInspectorSchema,
    create(HttpInspectorSchema),
    anyOfPorts(except),
  );
}

function listenerFilter<Schema extends DescMessage>(
  name: string,
  schema: Schema,
  message: MessageShape<Schema>,
  filterDisabled?: ListenerFilterChainMatchPredicate,
): ListenerFilter {
  return create(ListenerFilterSchema, {
    name,
    configType: { case: 'typedConfig', value: packAny(schema, message) },
    ...(filterDisabled === undefined ? {} : { filterDisabled }),
  });
}

function anyOfPorts(ranges: readonly PortRange[]): ListenerFilterChainMatchPredicate | undefined {
  const rules = mergeRanges(ranges).map(({ start, end }) =>
    create(ListenerFilterChainMatchPredicateSchema, {
      rule: { case: 'destinationPortRange', value: { start, end: end + 1 } },
    }),
  );
  return rules.length < 2
    ? rules[0]
    : create(ListenerFilterChainMatchPredicateSchema, { rule: { case: 'orMatch', value: { rules } } });
}
