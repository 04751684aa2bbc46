/** AccessLogFilter → AccessLogFilterConfig: of what something is logged. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { compileLogExpression } from '../access-log/log-expression.ts';
import { responseFlagNames } from '../access-log/response-flag-names.ts';
import type { AccessLogFilterConfig, LogType } from '../config/access-log-config.ts';
import {
  type AccessLogFilter,
  type ComparisonFilter,
  ComparisonFilter_Op,
  type ExtensionFilter,
  type LogTypeFilter,
} from './api/envoy/config/accesslog/v3/accesslog_pb.js';
import { AccessLogType } from './api/envoy/data/accesslog/v3/accesslog_pb.js';
import type { ExpressionFilter } from './api/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js';
import { apiRegistry } from './api-registry.ts';
import { fraction } from './decode-fraction.ts';
import { metadataMatch } from './decode-metadata-match.ts';
import { headerMatch } from './decode-route-match.ts';
import { at, type Faults } from './fault.ts';

const mostDepth = 16;

/** Stands in where a fault was recorded. */
const unusable: AccessLogFilterConfig = { kind: 'flags', flags: [] };

export function logFilter(message: AccessLogFilter, path: string, faults: Faults, depth = 0): AccessLogFilterConfig {
  const { filterSpecifier: filter } = message;
  if (depth > mostDepth) {
    faults.add(path, `is nested deeper than ${mostDepth}`);
    return unusable;
  }
  switch (filter.case) {
    case 'statusCodeFilter':
      return comparison('status', filter.value.comparison, at(path, 'status_code_filter.comparison'), faults);
    case 'durationFilter':
      return comparison('duration', filter.value.comparison, at(path, 'duration_filter.comparison'), faults);
    case 'notHealthCheckFilter':
      return { kind: 'not-health-check' };
    case 'traceableFilter':
      return { kind: 'traceable' };
    case 'runtimeFilter':
      return {
        kind: 'share',
        share: fraction(filter.value.percentSampled),
        byRequestId: !filter.value.useIndependentRandomness,
      };
    case 'andFilter':
      return { kind: 'all-of', filters: several(filter.value.filters, at(path, 'and_filter.filters'), faults, depth) };
    case 'orFilter':
      return { kind: 'any-of', filters: several(filter.value.filters, at(path, 'or_filter.filters'), faults, depth) };
    case 'headerFilter': {
      const here = at(path, 'header_filter.header');
      if (filter.value.header === undefined) {
        faults.add(here, 'is missing');
        return unusable;
      }
      return { kind: 'header', header: headerMatch(filter.value.header, here, faults) };
    }
    case 'responseFlagFilter': {
      const { flags } = filter.value;
      for (const [i, flag] of flags.entries())
        if (!Object.hasOwn(responseFlagNames, flag))
          faults.add(at(at(path, 'response_flag_filter.flags'), i), `${JSON.stringify(flag)} is not a response flag`);
      return { kind: 'flags', flags };
    }
    case 'grpcStatusFilter':
      return { kind: 'grpc-status', statuses: filter.value.statuses, exclude: filter.value.exclude };
    case 'metadataFilter': {
      const { matcher, matchIfKeyNotFound = true } = filter.value;
      const here = at(path, 'metadata_filter.matcher');
      if (matcher === undefined) {
        faults.add(here, 'is missing');
        return unusable;
      }
      return { kind: 'metadata', metadata: metadataMatch(matcher, here, faults), whenMissing: matchIfKeyNotFound };
    }
    case 'logTypeFilter':
      return logTypes(filter.value);
    case 'extensionFilter':
      return extension(filter.value, at(path, 'extension_filter'), faults);
    default:
      // One that is not supported was reported by check-fields.ts.
      if (message.$unknown === undefined || message.$unknown.length === 0) faults.add(path, 'has no filter');
      return unusable;
  }
}

function several(
  messages: readonly AccessLogFilter[],
  path: string,
  faults: Faults,
  depth: number,
): AccessLogFilterConfig[] {
  if (messages.length < 2) faults.add(path, 'needs at least two');
  return messages.map((message, i) => logFilter(message, at(path, i), faults, depth + 1));
}

function comparison(
  of: 'status' | 'duration',
  message: ComparisonFilter | undefined,
  path: string,
  faults: Faults,
): AccessLogFilterConfig {
  if (message?.value === undefined) faults.add(message === undefined ? path : at(path, 'value'), 'is missing');
  const value = message?.value?.defaultValue ?? 0;
  switch (message?.op) {
    case ComparisonFilter_Op.GE:
      return { kind: 'compare', of, operator: 'least', value };
    case ComparisonFilter_Op.LE:
      return { kind: 'compare', of, operator: 'most', value };
    default:
      return { kind: 'compare', of, operator: 'equal', value };
  }
}

function logTypes({ types, exclude }: LogTypeFilter): AccessLogFilterConfig {
  return { kind: 'log-type', types: types.map(logType), exclude };
}

function logType(type: AccessLogType): LogType {
  switch (type) {
    case AccessLogType.DownstreamEnd:
      return 'DownstreamEnd';
    case AccessLogType.TcpConnectionEnd:
      return 'TcpConnectionEnd';
    case AccessLogType.NotSet:
      return 'NotSet';
    default:
      return 'Other';
  }
}

function extension(message: ExtensionFilter, path: string, faults: Faults): AccessLogFilterConfig {
  const here = at(path, 'typed_config');
  const typed =
    message.configType.case === 'typedConfig' ? anyUnpack(message.configType.value, apiRegistry) : undefined;
  if (typed?.$typeName !== 'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter') {
    faults.add(here, 'needs an envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter');
    return unusable;
  }
  const { expression } = typed as ExpressionFilter;
  try {
    compileLogExpression(expression);
  } catch (error) {
    faults.add(at(here, 'expression'), (error as Error).message);
  }
  return { kind: 'expression', expression };
}

/** Whether only what failed passes it: of a listener, where connections are told that no filter chain takes. */
export function passesOnlyFailures(filter: AccessLogFilterConfig): boolean {
  switch (filter.kind) {
    case 'flags':
      return true;
    case 'compare':
      return filter.of === 'status' && filter.operator === 'least' && filter.value >= 400;
    case 'any-of':
      return filter.filters.every(passesOnlyFailures);
    case 'all-of':
      return filter.filters.some(passesOnlyFailures);
    default:
      return false;
  }
}
