/**
 * The conditions of Envoy's `retry_on`, `x-envoy-retry-on` and `x-envoy-retry-grpc-on`: one bit each, so that an answer is judged without looking at texts. What each means is said
 * in retry-policy.ts.
 */

export const retryBit = {
  serverError: 1,
  gatewayError: 2,
  reset: 4,
  resetBeforeRequest: 8,
  connectFailure: 16,
  rateLimited: 32,
  conflict: 64,
  refusedStream: 128,
  statusCodes: 256,
  headers: 512,
  grpcCancelled: 1024,
  grpcDeadlineExceeded: 2048,
  grpcInternal: 4096,
  grpcResourceExhausted: 8192,
  grpcUnavailable: 16_384,
} as const;

const bitByHttpName: ReadonlyMap<string, number> = new Map([
  ['5xx', retryBit.serverError],
  ['gateway-error', retryBit.gatewayError],
  ['reset', retryBit.reset],
  ['reset-before-request', retryBit.resetBeforeRequest],
  ['connect-failure', retryBit.connectFailure],
  ['envoy-ratelimited', retryBit.rateLimited],
  ['retriable-4xx', retryBit.conflict],
  ['refused-stream', retryBit.refusedStream],
  ['retriable-status-codes', retryBit.statusCodes],
  ['retriable-headers', retryBit.headers],
  // There is no HTTP/3 here: nothing can meet it.
  ['http3-post-connect-failure', 0],
]);

const bitByGrpcName: ReadonlyMap<string, number> = new Map([
  ['cancelled', retryBit.grpcCancelled],
  ['deadline-exceeded', retryBit.grpcDeadlineExceeded],
  ['internal', retryBit.grpcInternal],
  ['resource-exhausted', retryBit.grpcResourceExhausted],
  ['unavailable', retryBit.grpcUnavailable],
]);

/** Bits of those that a gRPC status can meet, by status. */
export const bitByGrpcStatus: Readonly<Record<string, number>> = Object.freeze(
  Object.assign(Object.create(null) as Record<string, number>, {
    '1': retryBit.grpcCancelled,
    '4': retryBit.grpcDeadlineExceeded,
    '8': retryBit.grpcResourceExhausted,
    '13': retryBit.grpcInternal,
    '14': retryBit.grpcUnavailable,
  }),
);

export const anyGrpcBit: number = Object.values(bitByGrpcStatus).reduce((all, bit) => all | bit, 0);

/** What a list in the configuration may name: `retry_on` takes both kinds (Envoy). */
export const retryConditionNames: readonly string[] = [...bitByHttpName.keys(), ...bitByGrpcName.keys()];

/** Bits of the names; of those that do not exist none (Envoy; a configuration that has one is refused before). */
export function retryBits(names: readonly string[], kind: 'http' | 'grpc' | 'both'): number {
  let bits = 0;
  for (const name of names) {
    if (kind !== 'grpc') bits |= bitByHttpName.get(name) ?? 0;
    if (kind !== 'http') bits |= bitByGrpcName.get(name) ?? 0;
  }
  return bits;
}
