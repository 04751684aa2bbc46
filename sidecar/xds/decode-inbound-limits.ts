/** Our own HTTP filter that limits what a workload takes at a time → InboundLimitsConfig: its defaults and its bounds. */
import type { Message } from '@bufbuild/protobuf';
import type { Duration, UInt32Value } from '@bufbuild/protobuf/wkt';
import type {
  CallerLimitConfig,
  InboundLimitsConfig,
  InboundQueueConfig,
  PriorityRuleConfig,
  RequestMatchConfig,
  RouteLimitConfig,
} from '../config/inbound-limits-config.ts';
import type { StringMatchConfig } from '../config/route-config.ts';
import type { StringMatcher } from './api/envoy/type/matcher/v3/string_pb.js';
import type {
  InboundLimits,
  InboundLimits_CallerLimit,
  InboundLimits_Match,
  InboundLimits_Priority,
  InboundLimits_Queue,
  InboundLimits_RouteLimit,
} from './api/outrigger/resilience/v1/inbound_limits_pb.js';
import { headerMatch } from './decode-route-match.ts';
import { priorityOf } from './decode-shedding-priority.ts';
import { shownText } from './decode-shown-text.ts';
import { bounded, durationMs, stringMatch } from './decode-value.ts';
import { at, type Faults } from './fault.ts';

const mostRequests = 1_000_000;
const mostWaiting = 10_000;
/** Each is looked at for each request. */
const mostRules = 64;
const hourMs = 3_600_000;

export function inboundLimits(message: Message, filterName: string, path: string, faults: Faults): InboundLimitsConfig {
  const filter = message as InboundLimits;
  few(filter.routes, at(path, 'routes'), faults);
  few(filter.priorities, at(path, 'priorities'), faults);
  const routes = filter.routes.map((each, i) => routeLimit(each, at(at(path, 'routes'), i), faults));
  const names = new Set<string>();
  for (const [i, { name }] of routes.entries()) {
    if (names.has(name)) faults.add(at(at(at(path, 'routes'), i), 'name'), `${JSON.stringify(name)} is there twice`);
    names.add(name);
  }
  const perCaller = filter.callers === undefined ? null : callerLimit(filter.callers, at(path, 'callers'), faults);
  return Object.freeze({
    kind: 'inbound-limits',
    filterName,
    rule: shownText(filter.rule, at(path, 'rule'), faults),
    maxRequests:
      filter.maxRequests === undefined
        ? null
        : bounded(filter.maxRequests, 1, 1, mostRequests, at(path, 'max_requests'), faults),
    perCaller,
    routes: Object.freeze(routes),
    queue: filter.queue === undefined ? null : queue(filter.queue, perCaller !== null, at(path, 'queue'), faults),
    priorities: Object.freeze(
      filter.priorities.map((each, i) => priorityRule(each, at(at(path, 'priorities'), i), faults)),
    ),
  });
}

function callerLimit(message: InboundLimits_CallerLimit, path: string, faults: Faults): CallerLimitConfig {
  few(message.exceptions, at(path, 'exceptions'), faults);
  return Object.freeze({
    maxRequests: limit(message.maxRequests, path, faults),
    exceptions: message.exceptions.map((each, i) => {
      const here = at(at(path, 'exceptions'), i);
      if (each.callers.length === 0) faults.add(at(here, 'callers'), 'is empty');
      return {
        callers: strings(each.callers, at(here, 'callers'), faults),
        maxRequests: limit(each.maxRequests, here, faults),
      };
    }),
  });
}

function routeLimit(message: InboundLimits_RouteLimit, path: string, faults: Faults): RouteLimitConfig {
  if (message.name === '') faults.add(at(path, 'name'), 'is missing: answers and metrics have it');
  return Object.freeze({
    name: shownText(message.name, at(path, 'name'), faults),
    match: requestMatch(message.match, at(path, 'match'), faults),
    maxRequests: limit(message.maxRequests, path, faults),
  });
}

function limit(maxRequests: number, path: string, faults: Faults): number {
  return bounded(maxRequests, 1, 1, mostRequests, at(path, 'max_requests'), faults);
}

function queue(message: InboundLimits_Queue, perCaller: boolean, path: string, faults: Faults): InboundQueueConfig {
  const whole = (value: UInt32Value['value'] | undefined, fallback: number, most: number, field: string): number =>
    bounded(value, fallback, 1, most, at(path, field), faults);
  const time = (value: Duration | undefined, fallback: number, field: string): number =>
    bounded(durationMs(value, fallback, at(path, field), faults), fallback, 1, hourMs, at(path, field), faults);
  const maxRequests = whole(message.maxRequests, 100, mostWaiting, 'max_requests');
  const maxWaitMs = time(message.maxWait, 500, 'max_wait');
  const targetMs =
    message.overloadTarget === undefined
      ? Math.min(20, maxWaitMs / 2)
      : time(message.overloadTarget, 20, 'overload_target');
  if (targetMs >= maxWaitMs) faults.add(at(path, 'overload_target'), 'is not less than max_wait');
  return Object.freeze({
    maxRequests,
    maxRequestsPerCaller: whole(
      message.maxRequestsPerCaller,
      perCaller ? Math.ceil(maxRequests / 2) : maxRequests,
      mostWaiting,
      'max_requests_per_caller',
    ),
    maxWaitMs,
    targetMs,
    intervalMs: time(message.overloadInterval, 100, 'overload_interval'),
  });
}

function priorityRule(message: InboundLimits_Priority, path: string, faults: Faults): PriorityRuleConfig {
  return Object.freeze({
    match: requestMatch(message.match, at(path, 'match'), faults),
    priority: priorityOf(message.priority),
  });
}

/** None: every request. */
function requestMatch(message: InboundLimits_Match | undefined, path: string, faults: Faults): RequestMatchConfig {
  const { paths = [], methods = [], headers = [], callers = [] } = message ?? {};
  for (const [i, method] of methods.entries())
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(method))
      faults.add(at(at(path, 'methods'), i), `${JSON.stringify(method)} is not a method`);
  few(methods, at(path, 'methods'), faults);
  few(headers, at(path, 'headers'), faults);
  return Object.freeze({
    paths: strings(paths, at(path, 'paths'), faults),
    methods: Object.freeze([...methods]),
    headers: Object.freeze(headers.map((each, i) => headerMatch(each, at(at(path, 'headers'), i), faults))),
    callers: strings(callers, at(path, 'callers'), faults),
  });
}

function strings(list: readonly StringMatcher[], path: string, faults: Faults): readonly StringMatchConfig[] {
  few(list, path, faults);
  return Object.freeze(list.map((each, i) => stringMatch(each, at(path, i), faults)));
}

function few(list: readonly unknown[], path: string, faults: Faults): void {
  if (list.length > mostRules) faults.add(path, `has more than ${mostRules} entries`);
}
