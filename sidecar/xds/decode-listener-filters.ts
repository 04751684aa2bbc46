/** Listener filters: what is looked at before a filter chain is chosen. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ListenerConfig, PortPredicate } from '../config/listener-config.ts';
import type {
  ListenerFilter,
  ListenerFilterChainMatchPredicate,
} from './api/envoy/config/listener/v3/listener_components_pb.js';
import type { OriginalSrc } from './api/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { apiRegistry } from './api-registry.ts';
import { at, type Faults } from './fault.ts';

type ListenerFilters = Pick<
  ListenerConfig,
  'inspectTls' | 'inspectHttp' | 'tlsDisabled' | 'httpDisabled' | 'originalDestination' | 'originalSource'
>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A rule is no deeper than this. */
const mostNested = 16;

/** In which order they stand makes no difference: the destination first, then what the bytes say. */
export function listenerFilters(messages: readonly ListenerFilter[], path: string, faults: Faults): ListenerFilters {
  const filters: Mutable<ListenerFilters> = { inspectTls: false };
  const seen = new Set<string>();
  for (const [i, message] of messages.entries()) {
    const here = at(path, i);
    const typed = message.configType.case === 'typedConfig' ? message.configType.value : undefined;
    // Another type than those that are known was told by check-fields.ts.
    const filter =
      typed === undefined ? undefined : readable(typed.typeUrl) ? anyUnpack(typed, apiRegistry) : undefined;
    if (typed === undefined) {
      faults.add(at(here, 'typed_config'), 'is missing');
      continue;
    }
    const type = typed.typeUrl.slice(typed.typeUrl.lastIndexOf('/') + 1);
    if (seen.has(type)) faults.add(here, `${type} is there twice`);
    seen.add(type);
    const disabled =
      message.filterDisabled === undefined
        ? null
        : predicate(message.filterDisabled, at(here, 'filter_disabled'), faults);
    let takesPredicate = false;
    switch (filter?.$typeName as string | undefined) {
      case 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector':
        filters.inspectTls = true;
        takesPredicate = true;
        if (disabled !== null) filters.tlsDisabled = disabled;
        break;
      case 'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector':
        filters.inspectHttp = true;
        takesPredicate = true;
        if (disabled !== null) filters.httpDisabled = disabled;
        break;
      case 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst':
        filters.originalDestination = true;
        break;
      case 'envoy.extensions.filters.listener.original_src.v3.OriginalSrc':
        filters.originalSource = { mark: (filter as OriginalSrc).mark };
        break;
      default:
        if (filter !== undefined) faults.add(at(here, 'typed_config'), `${type} is not a listener filter`);
        takesPredicate = true;
    }
    if (disabled !== null && !takesPredicate)
      faults.add(at(here, 'filter_disabled'), `is not supported of ${type}; see docs/xds-support.md`);
  }
  return filters;
}

function readable(typeUrl: string): boolean {
  return apiRegistry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) !== undefined;
}

function predicate(
  { rule }: ListenerFilterChainMatchPredicate,
  path: string,
  faults: Faults,
  depth = 0,
): PortPredicate {
  if (depth > mostNested) {
    faults.add(path, `is nested more than ${mostNested} deep`);
    return { kind: 'any' };
  }
  switch (rule.case) {
    case 'anyMatch':
      if (!rule.value) faults.add(at(path, 'any_match'), 'must be true');
      return { kind: 'any' };
    case 'destinationPortRange': {
      const { start, end } = rule.value;
      if (start < 0 || end > 65_536 || start >= end)
        faults.add(
          at(path, 'destination_port_range'),
          `${start} to ${end} is not a range of ports (the end is outside)`,
        );
      return { kind: 'ports', start, end };
    }
    case 'notMatch':
      return { kind: 'not', of: predicate(rule.value, at(path, 'not_match'), faults, depth + 1) };
    case 'andMatch':
    case 'orMatch': {
      const here = at(at(path, rule.case === 'andMatch' ? 'and_match' : 'or_match'), 'rules');
      if (rule.value.rules.length < 2) faults.add(here, 'needs at least two rules');
      return {
        kind: rule.case === 'andMatch' ? 'and' : 'or',
        of: rule.value.rules.map((each, i) => predicate(each, at(here, i), faults, depth + 1)),
      };
    }
    default:
      faults.add(path, 'needs a rule');
      return { kind: 'any' };
  }
}
