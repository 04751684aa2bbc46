/** What FaultPolicies and RateLimitPolicies say, in short, for rows of `outrigger get policies` and for `outrigger status`. */
import type { FaultRule, LimitKeys, RequestMatch } from '../config-kind/policy-resource.ts';
import type { RateLimits } from './policy-set.ts';
import { durationText } from './traffic-text.ts';

export function faultText({ match, delay, abort, responseRate }: FaultRule): string {
  const parts = [
    ...(delay === null ? [] : [`delay ${durationText(delay.durationMs)} ${shareText(delay.percent)}`]),
    ...(abort === null
      ? []
      : [`abort ${abort.type === 'http' ? '' : 'gRPC '}${abort.status} ${shareText(abort.percent)}`]),
    ...(responseRate === null
      ? []
      : [`answers at ${responseRate.kibPerSecond} KiB/s ${shareText(responseRate.percent)}`]),
  ];
  return `${parts.join(', ')}${matchText(match)}`;
}

export function limitTexts({ local, global, service }: RateLimits): string[] {
  const counts = service === null ? 'the control plane' : `${service.service}.${service.namespace}:${service.port}`;
  const problem = service === null || service.problem === '' ? '' : ` (${service.problem})`;
  return [
    ...local.map(
      ({ requests, perMs, burst, by, match }) =>
        `each workload: ${requests} per ${durationText(perMs)}${burst === requests ? '' : `, ${burst} at once`}${keysText(by)}${matchText(match)}`,
    ),
    ...global.map(
      ({ requests, unit, by, match }) =>
        `together: ${requests} per ${unit}${keysText(by)}${matchText(match)}, counted by ${counts}${problem}`,
    ),
  ];
}

function shareText(percent: number): string {
  return `for ${percent} %`;
}

function keysText({ caller, remoteAddress, headers }: LimitKeys): string {
  const keys = [
    ...(caller ? ['caller'] : []),
    ...(remoteAddress ? ['remote address'] : []),
    ...headers.map((name) => `header ${name}`),
  ];
  return keys.length === 0 ? '' : ` by ${keys.join(' and ')}`;
}

export function matchText({ paths, methods, headers, callers }: RequestMatch): string {
  const parts = [
    ...(methods.length === 0 ? [] : [methods.join('|')]),
    ...(paths.length === 0
      ? []
      : [paths.map(({ type, value }) => (type === 'prefix' ? `${value}*` : value)).join('|')]),
    ...headers.map(({ name, type, value }) => `${name}${type === 'Exact' ? '=' : '~'}${value}`),
    ...(callers.length === 0
      ? []
      : [
          `from ${callers.map(({ namespace, account }) => `${namespace}/${account === '' ? '*' : account}`).join('|')}`,
        ]),
  ];
  return parts.length === 0 ? '' : ` where ${parts.join(' ')}`;
}
