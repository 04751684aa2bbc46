import { expect, it } from 'vitest';
import { ProxyError } from '../codec/proxy-error.ts';
import type { ResponseFlag } from '../codec/response-flag.ts';
import { FailureRules, isDestinationFailure, isStaleConnection } from './failure-rules.ts';
import { breakerConfig } from './test/breaker-rig.ts';

const error = (flag: ResponseFlag, more: Partial<ConstructorParameters<typeof ProxyError>[0]> = {}): ProxyError =>
  new ProxyError({ flag, source: 'upstream', details: 'x', message: 'x', ...more });

it('answers are failures by the statuses of the configuration, and a gRPC answer by its own status alone', () => {
  const rules = new FailureRules(breakerConfig({ failureStatuses: [500, 503], failureGrpcStatuses: [14] }));
  expect([200, 404, 500, 502, 503].map((status) => rules.isFailure(status, undefined))).toEqual([
    false,
    false,
    true,
    false,
    true,
  ]);
  expect(['0', '13', '14', 'x'].map((status) => rules.isFailure(200, status))).toEqual([false, false, true, false]);
  expect(rules.isFailure(503, '0')).toBe(false);
});

it('no connection, resets, protocol errors and timeouts are failures; our own limits and the caller are not', () => {
  const failures = (['UF', 'UC', 'UR', 'UPE', 'UT', 'UMSDR', 'SI'] as const).map((flag) => error(flag));
  expect(failures.map((each) => isDestinationFailure(each, false))).toEqual(failures.map(() => true));
  const others = (['UO', 'UH', 'NC', 'CB', 'LR', 'DC', 'DPE', ''] as const).map((flag) => error(flag));
  expect(others.map((each) => isDestinationFailure(each, false))).toEqual(others.map(() => false));
  expect(isDestinationFailure(error('UC', { source: 'local' }), false)).toBe(false);
});

it('a request that was not whole in time is its caller’s; a stream that ends by idleness or age after its answer began is usual', () => {
  expect(isDestinationFailure(error('UMSDR', { status: 408 }), false)).toBe(false);
  expect(isDestinationFailure(error('SI'), true)).toBe(false);
  expect(isDestinationFailure(error('UMSDR'), true)).toBe(false);
  expect(isDestinationFailure(error('UT'), true)).toBe(true);
  expect(isDestinationFailure(error('UC'), true)).toBe(true);
});

it('a connection that had rested and closes as a request comes says nothing', () => {
  expect(isStaleConnection(error('UC', { retry: 'idempotent' }), true)).toBe(true);
  expect(isStaleConnection(error('UC', { retry: 'idempotent' }), false)).toBe(false);
  expect(isStaleConnection(error('UC'), true)).toBe(false);
  expect(isStaleConnection(error('UR', { retry: 'unsent' }), true)).toBe(false);
});
