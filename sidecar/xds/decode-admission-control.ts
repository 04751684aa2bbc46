/** Envoy's admission control filter → AdmissionControlConfig. */
import type { Message } from '@bufbuild/protobuf';
import type { AdmissionControlConfig } from '../config/admission-control-config.ts';
import type { RuntimePercent } from './api/envoy/config/core/v3/base_pb.js';
import type {
  AdmissionControl,
  AdmissionControl_SuccessCriteria_GrpcCriteria,
  AdmissionControl_SuccessCriteria_HttpCriteria,
} from './api/envoy/extensions/filters/http/admission_control/v3/admission_control_pb.js';
import { bounded, durationMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** OK, and what is the caller's doing rather than the service's (Envoy). */
const defaultGrpcSuccess = [0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 16];
const defaultHttpSuccess = [{ start: 100, end: 500 }];
const mostWindowMs = 3_600_000;

export function admissionControl(
  message: Message,
  filterName: string,
  path: string,
  faults: Faults,
): AdmissionControlConfig {
  const filter = message as AdmissionControl;
  const criteria = filter.evaluationCriteria;
  const here = at(path, 'success_criteria');
  if (criteria.case === undefined) faults.add(here, 'is missing');
  const window = at(path, 'sampling_window');
  const aggression = filter.aggression?.defaultValue ?? 1;
  return Object.freeze({
    kind: 'admission-control',
    filterName,
    enabled: filter.enabled?.defaultValue ?? true,
    windowMs: bounded(
      durationMs(filter.samplingWindow, 30_000, window, faults),
      30_000,
      1000,
      mostWindowMs,
      window,
      faults,
    ),
    // Below 1 is 1 (Envoy).
    aggression: Math.max(1, bounded(aggression, 1, 0, 1000, at(path, 'aggression.default_value'), faults)),
    successThreshold: percent(filter.srThreshold, 95, 1, at(path, 'sr_threshold'), faults),
    requestsPerSecondThreshold: filter.rpsThreshold?.defaultValue ?? 0,
    maxRejection: percent(filter.maxRejectionProbability, 80, 0, at(path, 'max_rejection_probability'), faults),
    httpSuccess: httpSuccess(criteria.value?.httpCriteria, at(here, 'http_criteria'), faults),
    grpcSuccess: grpcSuccess(criteria.value?.grpcCriteria, at(here, 'grpc_criteria'), faults),
  });
}

function httpSuccess(
  message: AdmissionControl_SuccessCriteria_HttpCriteria | undefined,
  path: string,
  faults: Faults,
): AdmissionControlConfig['httpSuccess'] {
  if (message === undefined) return defaultHttpSuccess;
  const here = at(path, 'http_success_status');
  if (message.httpSuccessStatus.length === 0) faults.add(here, 'needs at least one range');
  return message.httpSuccessStatus.map(({ start, end }, i) => {
    if (start < 100 || end > 600 || start >= end)
      faults.add(at(here, i), `${start} to ${end} is not a range of statuses (100 to 600)`);
    return { start, end };
  });
}

function grpcSuccess(
  message: AdmissionControl_SuccessCriteria_GrpcCriteria | undefined,
  path: string,
  faults: Faults,
): readonly number[] {
  if (message === undefined) return defaultGrpcSuccess;
  const here = at(path, 'grpc_success_status');
  if (message.grpcSuccessStatus.length === 0) faults.add(here, 'needs at least one status');
  return message.grpcSuccessStatus.map((status, i) => bounded(status, 0, 0, 16, at(here, i), faults));
}

/** As a share. */
function percent(
  message: RuntimePercent | undefined,
  fallback: number,
  least: number,
  path: string,
  faults: Faults,
): number {
  return bounded(message?.defaultValue?.value, fallback, least, 100, at(path, 'default_value.value'), faults) / 100;
}
