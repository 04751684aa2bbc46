/** Envoy's HTTP fault filter, and what a route says instead (the same message) → FaultConfig. */
import type { Message } from '@bufbuild/protobuf';
import type {
  FaultAbortConfig,
  FaultConfig,
  FaultDelayConfig,
  FaultResponseLimitConfig,
} from '../config/fault-config.ts';
import type { FaultDelay, FaultRateLimit } from './api/envoy/extensions/filters/common/fault/v3/fault_pb.js';
import type { FaultAbort, HTTPFault } from './api/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { fraction } from './decode-fraction.ts';
import { headerMatch } from './decode-route-match.ts';
import { bounded, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

export function fault(message: Message, filterName: string, path: string, faults: Faults): FaultConfig {
  const filter = message as HTTPFault;
  return Object.freeze({
    kind: 'fault',
    filterName,
    delay: filter.delay === undefined ? null : delay(filter.delay, at(path, 'delay'), faults),
    abort: filter.abort === undefined ? null : abort(filter.abort, at(path, 'abort'), faults),
    responseLimit:
      filter.responseRateLimit === undefined
        ? null
        : responseLimit(filter.responseRateLimit, at(path, 'response_rate_limit'), faults),
    upstreamCluster: filter.upstreamCluster,
    headers: filter.headers.map((header, i) => headerMatch(header, at(at(path, 'headers'), i), faults)),
    downstreamNodes: filter.downstreamNodes,
    maxActiveFaults: filter.maxActiveFaults ?? Infinity,
    metadata: filter.filterMetadata ?? null,
  });
}

export function faultPerRoute(message: Message, _outer: unknown, path: string, faults: Faults): FaultConfig {
  return fault(message, '', path, faults);
}

function delay(message: FaultDelay, path: string, faults: Faults): FaultDelayConfig {
  const { faultDelaySecifier: kind } = message;
  if (kind.case === undefined) faults.add(path, 'needs fixed_delay or header_delay');
  let fixedMs: number | null = null;
  if (kind.case === 'fixedDelay') {
    fixedMs = waitMs(kind.value, 0, at(path, 'fixed_delay'), faults);
    if (fixedMs === 0) faults.add(at(path, 'fixed_delay'), 'must be above 0');
  }
  return { fixedMs, share: fraction(message.percentage) };
}

function abort(message: FaultAbort, path: string, faults: Faults): FaultAbortConfig {
  const { errorType } = message;
  const share = fraction(message.percentage);
  switch (errorType.case) {
    case 'httpStatus':
      return {
        by: { kind: 'http', status: bounded(errorType.value, 503, 200, 599, at(path, 'http_status'), faults) },
        share,
      };
    case 'grpcStatus':
      return {
        by: { kind: 'grpc', status: bounded(errorType.value, 14, 0, 16, at(path, 'grpc_status'), faults) },
        share,
      };
    default:
      if (errorType.case === undefined) faults.add(path, 'needs http_status, grpc_status or header_abort');
      return { by: { kind: 'header' }, share };
  }
}

function responseLimit(message: FaultRateLimit, path: string, faults: Faults): FaultResponseLimitConfig {
  const { limitType } = message;
  if (limitType.case === undefined) faults.add(path, 'needs fixed_limit or header_limit');
  const kibPerSecond =
    limitType.case === 'fixedLimit'
      ? bounded(Number(limitType.value.limitKbps), 1, 1, 0xffff_ffff, at(path, 'fixed_limit.limit_kbps'), faults)
      : null;
  return { kibPerSecond, share: fraction(message.percentage) };
}
