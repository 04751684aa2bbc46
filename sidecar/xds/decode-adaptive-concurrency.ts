/** Envoy's adaptive concurrency filter → AdaptiveConcurrencyConfig. */
import type { Message } from '@bufbuild/protobuf';
import type { AdaptiveConcurrencyConfig, GradientConfig } from '../config/adaptive-concurrency-config.ts';
import type {
  AdaptiveConcurrency,
  GradientControllerConfig,
} from './api/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import type { Percent } from './api/envoy/type/v3/percent_pb.js';
import { bounded, waitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const mostConcurrency = 1_000_000;
const mostRequests = 1_000_000;

export function adaptiveConcurrency(
  message: Message,
  filterName: string,
  path: string,
  faults: Faults,
): AdaptiveConcurrencyConfig {
  const filter = message as AdaptiveConcurrency;
  const controller = filter.concurrencyControllerConfig;
  const here = at(path, 'gradient_controller_config');
  if (controller.case === undefined) faults.add(here, 'is missing');
  const status = filter.concurrencyLimitExceededStatus?.code ?? 503;
  return Object.freeze({
    kind: 'adaptive-concurrency',
    filterName,
    enabled: filter.enabled?.defaultValue ?? true,
    // Below 400, 503 is used (Envoy).
    exceededStatus:
      status < 400 ? 503 : bounded(status, 503, 400, 599, at(path, 'concurrency_limit_exceeded_status.code'), faults),
    gradient: gradient(controller.value, here, faults),
  });
}

function gradient(message: GradientControllerConfig | undefined, path: string, faults: Faults): GradientConfig {
  const limit = message?.concurrencyLimitParams;
  const minRtt = message?.minRttCalcParams;
  const limitPath = at(path, 'concurrency_limit_params');
  const minRttPath = at(path, 'min_rtt_calc_params');
  if (message !== undefined && limit === undefined) faults.add(limitPath, 'is missing');
  if (message !== undefined && minRtt === undefined) faults.add(minRttPath, 'is missing');
  const updatePath = at(limitPath, 'concurrency_update_interval');
  const updateIntervalMs = waitMs(limit?.concurrencyUpdateInterval, 0, updatePath, faults);
  if (limit !== undefined && updateIntervalMs === 0) faults.add(updatePath, 'must be there and above 0');
  const intervalPath = at(minRttPath, 'interval');
  const minRttIntervalMs = waitMs(minRtt?.interval, 0, intervalPath, faults);
  if (minRtt !== undefined && minRttIntervalMs < 1) faults.add(intervalPath, 'must be there and at least 1 ms');
  const maxPath = at(limitPath, 'max_concurrency_limit');
  const maxConcurrency = bounded(limit?.maxConcurrencyLimit, 1000, 1, mostConcurrency, maxPath, faults);
  const minPath = at(minRttPath, 'min_concurrency');
  const minConcurrency = bounded(minRtt?.minConcurrency, 3, 1, mostConcurrency, minPath, faults);
  if (minConcurrency > maxConcurrency) faults.add(minPath, `${minConcurrency} is above the maximum, ${maxConcurrency}`);
  return Object.freeze({
    percentile: percent(message?.sampleAggregatePercentile, 50, at(path, 'sample_aggregate_percentile'), faults),
    maxConcurrency,
    updateIntervalMs,
    minRttIntervalMs,
    minRttRequests: bounded(minRtt?.requestCount, 50, 1, mostRequests, at(minRttPath, 'request_count'), faults),
    jitter: percent(minRtt?.jitter, 15, at(minRttPath, 'jitter'), faults),
    minConcurrency,
    buffer: percent(minRtt?.buffer, 25, at(minRttPath, 'buffer'), faults),
  });
}

/** As a share. */
function percent(message: Percent | undefined, fallback: number, path: string, faults: Faults): number {
  return bounded(message?.value, fallback, 0, 100, path, faults) / 100;
}
