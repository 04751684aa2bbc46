/** Our own extension of clusters and routes → CircuitBreakerConfig: where it may stand, its defaults and its bounds. */
import { type Any, anyUnpack, type Duration } from '@bufbuild/protobuf/wkt';
import type { CircuitBreakerConfig } from '../config/circuit-breaker-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { CircuitBreaker } from './api/outrigger/resilience/v1/circuit_breaker_pb.js';
import { apiRegistry } from './api-registry.ts';
import { shownText } from './decode-shown-text.ts';
import { bounded, durationMs, mostWaitMs } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

/** In `typed_extension_protocol_options` of a cluster and `typed_per_filter_config` of a route. */
export const circuitBreakerKey = 'outrigger.circuit_breaker';

const typeName = 'outrigger.resilience.v1.CircuitBreaker';
const hourMs = 3_600_000;
const mostCalls = 1_000_000;
const defaultStatuses = Object.freeze([502, 503, 504]);
/** DEADLINE_EXCEEDED and UNAVAILABLE: what a gateway would say. INTERNAL and UNKNOWN are as 500: mistakes of an application, that no pause mends. */
const defaultGrpcStatuses = Object.freeze([4, 14]);

/** Null: there is none. `path`: of the field with the extensions. */
export function circuitBreaker(
  extensions: Readonly<Record<string, Any>>,
  path: string,
  faults: Faults,
): CircuitBreakerConfig | null {
  if (!Object.hasOwn(extensions, circuitBreakerKey)) return null;
  const any = extensions[circuitBreakerKey]!;
  const here = `${path}["${circuitBreakerKey}"]`;
  const message = anyUnpack(any, apiRegistry);
  if (message?.$typeName === typeName) return decoded(message as CircuitBreaker, here, faults);
  faults.add(here, `${any.typeUrl} is no ${typeName}`);
  return null;
}

/** Of a route table or virtual host, where nothing would come of it. */
export function noBreakerHere(extensions: Readonly<Record<string, Any>>, path: string, faults: Faults): void {
  if (Object.hasOwn(extensions, circuitBreakerKey))
    faults.add(`${path}["${circuitBreakerKey}"]`, 'belongs to a route, or to a cluster');
}

/** Routes of one name are one rule, and share a breaker by it: so it needs a name, and they must say the same of it. */
export function sharedBreakers(routes: readonly RouteConfig[], path: string, faults: Faults): void {
  const texts = new Map<string, string>();
  for (const [i, { name, action, circuitBreaker = null }] of routes.entries()) {
    if (circuitBreaker === null) continue;
    const here = `${at(at(path, i), 'typed_per_filter_config')}["${circuitBreakerKey}"]`;
    if (action.kind !== 'forward') faults.add(here, 'belongs to a route that forwards');
    if (name === '') faults.add(at(at(path, i), 'name'), 'is missing: a circuit breaker is named by its route');
    const text = JSON.stringify(circuitBreaker);
    if ((texts.get(name) ?? text) !== text)
      faults.add(here, `is not the same as that of another route named ${JSON.stringify(name)}, which shares it`);
    texts.set(name, text);
  }
}

function decoded(message: CircuitBreaker, path: string, faults: Faults): CircuitBreakerConfig {
  const whole = (value: number | undefined, fallback: number, least: number, most: number, field: string): number =>
    bounded(value, fallback, least, most, at(path, field), faults);
  const time = (value: Duration | undefined, fallback: number, least: number, most: number, field: string): number =>
    bounded(durationMs(value, fallback, at(path, field), faults), fallback, least, most, at(path, field), faults);
  const { slowCalls } = message;
  const openMs = time(message.openTime, 5_000, 10, mostWaitMs, 'open_time');
  const maxOpenMs = time(message.maxOpenTime, Math.max(60_000, openMs), 10, mostWaitMs, 'max_open_time');
  if (maxOpenMs < openMs) faults.add(at(path, 'max_open_time'), 'is shorter than open_time');
  if (slowCalls !== undefined && slowCalls.longerThan === undefined)
    faults.add(at(path, 'slow_calls.longer_than'), 'is missing');
  const config = {
    rule: shownText(message.rule, at(path, 'rule'), faults),
    windowMs: time(message.window, 10_000, 100, hourMs, 'window'),
    minCalls: whole(message.minimumCalls, 20, 1, mostCalls, 'minimum_calls'),
    failurePercent: whole(message.failurePercent, 50, 0, 100, 'failure_percent'),
    consecutiveFailures: whole(message.consecutiveFailures, 0, 0, mostCalls, 'consecutive_failures'),
    slowCallMs: slowCalls === undefined ? 0 : time(slowCalls.longerThan, 1, 1, hourMs, 'slow_calls.longer_than'),
    slowPercent: whole(slowCalls?.percent, 50, 1, 100, 'slow_calls.percent'),
    openMs,
    maxOpenMs,
    jitterPercent: whole(message.jitterPercent, 20, 0, 100, 'jitter_percent'),
    probes: whole(message.probes, 3, 1, 1_000, 'probes'),
    successesToClose: whole(message.successesToClose, 3, 1, 1_000, 'successes_to_close'),
    failureStatuses: statuses(message.failureStatuses, defaultStatuses, 400, 599, at(path, 'failure_statuses'), faults),
    failureGrpcStatuses: statuses(
      message.failureGrpcStatuses,
      defaultGrpcStatuses,
      1,
      16,
      at(path, 'failure_grpc_statuses'),
      faults,
    ),
  };
  if (config.failurePercent === 0 && config.consecutiveFailures === 0 && slowCalls === undefined)
    faults.add(path, 'is opened by nothing: give failure_percent, consecutive_failures or slow_calls');
  return Object.freeze(config);
}

function statuses(
  given: readonly number[],
  byDefault: readonly number[],
  least: number,
  most: number,
  path: string,
  faults: Faults,
): readonly number[] {
  if (given.length === 0) return byDefault;
  if (given.length > most - least + 1) faults.add(path, `has more than ${most - least + 1} entries`);
  return Object.freeze(given.map((status, i) => bounded(status, status, least, most, at(path, i), faults)));
}
