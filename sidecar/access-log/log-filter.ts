/** Whether something is logged: Envoy's access log filters, compiled once. */
import type { AccessLogFilterConfig } from '../config/access-log-config.ts';
import { compileValueTest } from '../filters/rbac/metadata-rule.ts';
import { hits } from '../filters/share.ts';
import { compileHeaderTest } from '../router/header-test.ts';
import type { Random } from '../runtime/clock.ts';
import { inferredGrpcStatus } from './grpc-outcome.ts';
import { compileLogExpression } from './log-expression.ts';
import type { LogRecord } from './log-record.ts';
import { metadataAt } from './logged-metadata.ts';

export type LogFilter = (record: LogRecord) => boolean;

const unknownStatus = 2;

/** Throws an Error with a reason when an expression cannot be evaluated here. */
export function compileLogFilter(config: AccessLogFilterConfig, random: Random): LogFilter {
  switch (config.kind) {
    case 'all-of': {
      const filters = config.filters.map((each) => compileLogFilter(each, random));
      return (record) => filters.every((filter) => filter(record));
    }
    case 'any-of': {
      const filters = config.filters.map((each) => compileLogFilter(each, random));
      return (record) => filters.some((filter) => filter(record));
    }
    case 'compare':
      return comparison(config);
    case 'flags': {
      const { flags } = config;
      if (flags.length === 0) return ({ flag }) => flag !== '';
      return ({ flag }) => flag !== '' && flag.split(',').some((each) => flags.includes(each));
    }
    case 'share': {
      const { share, byRequestId } = config;
      return ({ requestId }) => {
        const number = byRequestId ? numberOf(requestId) : -1;
        return number < 0 ? hits(share, random) : number % share.denominator < share.numerator;
      };
    }
    case 'header': {
      const test = compileHeaderTest(config.header);
      return ({ head }) => head !== null && test(head);
    }
    case 'grpc-status': {
      const { statuses, exclude } = config;
      return (record) => {
        // None that is known counts as UNKNOWN (Envoy).
        const status = inferredGrpcStatus(record);
        return statuses.includes(status < 0 ? unknownStatus : status) !== exclude;
      };
    }
    case 'metadata': {
      const { metadata, whenMissing } = config;
      const matches = compileValueTest(metadata.value);
      return (record) => {
        const value = metadataAt(record, metadata.filter, metadata.path);
        return value === undefined ? whenMissing : matches(value) !== metadata.invert;
      };
    }
    case 'log-type': {
      const { types, exclude } = config;
      return ({ type }) => types.includes(type) !== exclude;
    }
    case 'expression':
      return compileLogExpression(config.expression);
    case 'traceable':
      return ({ sampled }) => sampled;
    case 'not-health-check':
      return () => true;
  }
}

function comparison({ of, operator, value }: Extract<AccessLogFilterConfig, { readonly kind: 'compare' }>): LogFilter {
  const read: (record: LogRecord) => number =
    of === 'status' ? ({ status }) => status : ({ durationMs }) => Math.floor(durationMs);
  switch (operator) {
    case 'equal':
      return (record) => read(record) === value;
    case 'least':
      return (record) => read(record) >= value;
    case 'most':
      return (record) => read(record) <= value;
  }
}

/** Envoy's: the first eight digits of a UUID. The same for every proxy that sees the request; -1: it is no such id. */
function numberOf(requestId: string): number {
  return /^[0-9a-f]{8}-/i.test(requestId) ? Number.parseInt(requestId.slice(0, 8), 16) : -1;
}
