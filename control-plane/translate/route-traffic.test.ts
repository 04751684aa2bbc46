/** Timeouts of routes as Envoy's fields; retries are tested with the policies that say them (translate-traffic.test.ts and others). */
import { expect, test } from 'vitest';
import { timeLimit } from '../config-kind/time-limit.ts';
import type { RouteTraffic } from '../config-kind/traffic-resource.ts';
import { routeFields } from './route-traffic.ts';

const seconds = (duration: unknown): number => Number((duration as { seconds: bigint } | undefined)?.seconds ?? -1);

/** `timeout`, `max_stream_duration` and the cap on `grpc-timeout`, in seconds; -1: not there. */
function timeouts(requestTimeoutMs: number | null, maxDurationMs: number | null, grpc: boolean): readonly number[] {
  const { timeout, maxStreamDuration } = routeFields(
    {
      requestTimeout: timeLimit(requestTimeoutMs, ''),
      maxDuration: timeLimit(maxDurationMs, ''),
      streamIdleTimeout: null,
      perTryTimeout: null,
      hedging: null,
      fallback: null,
      retries: null,
    } as RouteTraffic,
    grpc,
  );
  return [timeout, maxStreamDuration?.maxStreamDuration, maxStreamDuration?.grpcTimeoutHeaderMax].map(seconds);
}

test('who sheds load is asked again where the policy says overloaded', () => {
  const retries = { attempts: 1, on: ['gateway-error', 'overloaded'], statusCodes: [], backoff: null, waitHeaders: [] };
  const unset = { requestTimeout: null, maxDuration: null, streamIdleTimeout: null, perTryTimeout: null };
  const { retryPolicy } = routeFields({ ...unset, retries, hedging: null } as unknown as RouteTraffic, false);
  expect(retryPolicy).toMatchObject({
    retryOn: 'gateway-error,retriable-headers',
    retriableHeaders: [{ name: 'x-envoy-overloaded', headerMatchSpecifier: { case: 'presentMatch', value: true } }],
  });
});

test.each([
  ['HTTP, default', null, null, false, [15, -1, -1]],
  ['HTTP, its own', 5_000, null, false, [5, -1, -1]],
  ['HTTP with a longest duration: Envoy looks at nothing else there', 5_000, 60_000, false, [5, 5, -1]],
  ['HTTP without a timeout and with a longest duration', 0, 60_000, false, [0, 60, -1]],
  ['gRPC, default: the deadlines of its callers', null, null, true, [0, -1, 0]],
  ['gRPC, its own: Envoy looks at max_stream_duration only', 5_000, null, true, [5, 5, 5]],
  ['gRPC with a shorter longest duration', 5_000, 2_000, true, [5, 2, 5]],
] as const)('timeouts of %s', (_what, requestMs, longestMs, grpc, expected) => {
  expect(timeouts(requestMs, longestMs, grpc)).toEqual(expected);
});
