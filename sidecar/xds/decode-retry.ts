/** Envoy's RetryPolicy and HedgePolicy → ours. */
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ResetHeaderConfig, RetryPolicyConfig } from '../config/route-config.ts';
import { retryConditionNames } from '../router/retry-conditions.ts';
import {
  type HedgePolicy,
  type RetryPolicy,
  type RetryPolicy_ResetHeader,
  RetryPolicy_ResetHeaderFormat,
} from './api/envoy/config/route/v3/route_components_pb.js';
import { apiRegistry } from './api-registry.ts';
import { headerMatch } from './decode-route-match.ts';
import { bounded, durationMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** Retries beyond this are no policy but a slip of the pen. */
const mostRetries = 1000;
/** A day. */
const mostPauseMs = 86_400_000;
const defaultBaseMs = 25;
const canaries = 'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate';
const previousHosts = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';

/** Null where there is none. */
export function retryPolicy(message: RetryPolicy | undefined, path: string, faults: Faults): RetryPolicyConfig | null {
  if (message === undefined) return null;
  return {
    retryOn: conditions(message.retryOn, at(path, 'retry_on'), faults),
    maxRetries: bounded(message.numRetries, 1, 0, mostRetries, at(path, 'num_retries'), faults),
    perTryTimeoutMs: durationMs(message.perTryTimeout, 0, at(path, 'per_try_timeout'), faults),
    perTryIdleTimeoutMs: durationMs(message.perTryIdleTimeout, 0, at(path, 'per_try_idle_timeout'), faults),
    retriableStatusCodes: message.retriableStatusCodes.map((code, i) =>
      bounded(code, 0, 100, 599, at(at(path, 'retriable_status_codes'), i), faults),
    ),
    retriableHeaders: message.retriableHeaders.map((header, i) =>
      headerMatch(header, at(at(path, 'retriable_headers'), i), faults),
    ),
    retriableRequestHeaders: message.retriableRequestHeaders.map((header, i) =>
      headerMatch(header, at(at(path, 'retriable_request_headers'), i), faults),
    ),
    ...backoff(message, path, faults),
    ...told(message, at(path, 'rate_limited_retry_back_off'), faults),
    omitCanaryHosts: omitsCanaries(message, at(path, 'retry_host_predicate'), faults),
  };
}

/** Envoy passes over what it does not know; a name that is misspelt would then be no retry at all. */
function conditions(text: string, path: string, faults: Faults): readonly string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of names)
    if (!retryConditionNames.includes(name))
      faults.add(path, `${JSON.stringify(name)} is no condition; those are ${retryConditionNames.join(', ')}`);
  return names;
}

function backoff(
  { retryBackOff }: RetryPolicy,
  path: string,
  faults: Faults,
): Pick<RetryPolicyConfig, 'baseBackoffMs' | 'maxBackoffMs'> {
  const here = at(path, 'retry_back_off');
  if (retryBackOff === undefined) return { baseBackoffMs: defaultBaseMs, maxBackoffMs: 10 * defaultBaseMs };
  const basePath = at(here, 'base_interval');
  if (retryBackOff.baseInterval === undefined) faults.add(basePath, 'is missing');
  const baseMs = pauseMs(retryBackOff.baseInterval, defaultBaseMs, basePath, faults);
  const maxPath = at(here, 'max_interval');
  const maxMs = pauseMs(retryBackOff.maxInterval, 10 * baseMs, maxPath, faults);
  if (maxMs < baseMs) faults.add(maxPath, `${maxMs} ms is below base_interval, which is ${baseMs} ms`);
  return { baseBackoffMs: baseMs, maxBackoffMs: maxMs };
}

function told(
  { rateLimitedRetryBackOff }: RetryPolicy,
  path: string,
  faults: Faults,
): Pick<RetryPolicyConfig, 'resetHeaders' | 'maxResetMs'> {
  const headers = rateLimitedRetryBackOff?.resetHeaders ?? [];
  if (rateLimitedRetryBackOff !== undefined && headers.length === 0)
    faults.add(at(path, 'reset_headers'), 'needs at least one header');
  return {
    resetHeaders: headers.map((header, i) => resetHeader(header, at(at(path, 'reset_headers'), i), faults)),
    maxResetMs: pauseMs(rateLimitedRetryBackOff?.maxInterval, 300_000, at(path, 'max_interval'), faults),
  };
}

function resetHeader({ name, format }: RetryPolicy_ResetHeader, path: string, faults: Faults): ResetHeaderConfig {
  if (name === '') faults.add(at(path, 'name'), 'must not be empty');
  return {
    name: name.toLowerCase(),
    format: format === RetryPolicy_ResetHeaderFormat.UNIX_TIMESTAMP ? 'unix-timestamp' : 'seconds',
  };
}

/** Above 0; below 1 ms is 1 ms (Envoy). */
function pauseMs(duration: Parameters<typeof durationMs>[0], fallback: number, path: string, faults: Faults): number {
  const ms = durationMs(duration, fallback, path, faults);
  if (ms === 0) faults.add(path, 'must be above 0');
  if (ms > mostPauseMs) faults.add(path, `${ms / 1000} s is above ${mostPauseMs / 1000} s`);
  return Math.max(1, ms);
}

function omitsCanaries({ retryHostPredicate }: RetryPolicy, path: string, faults: Faults): boolean {
  let omits = false;
  for (const [i, { configType }] of retryHostPredicate.entries()) {
    const here = at(at(path, i), 'typed_config');
    // A type that is not taken was reported already.
    const predicate = configType.case === 'typedConfig' ? anyUnpack(configType.value, apiRegistry) : undefined;
    if (configType.case === undefined) faults.add(here, 'is missing');
    else if (predicate?.$typeName === canaries) omits = true;
    else if (predicate !== undefined && predicate.$typeName !== previousHosts)
      faults.add(here, `${predicate.$typeName} is no predicate of hosts`);
  }
  return omits;
}

/** `hedge_on_per_try_timeout`. */
export function hedges(message: HedgePolicy | undefined, path: string, faults: Faults): boolean {
  if ((message?.initialRequests ?? 1) !== 1)
    faults.add(at(path, 'initial_requests'), 'only 1 is supported; see docs/xds-support.md');
  return message?.hedgeOnPerTryTimeout ?? false;
}
