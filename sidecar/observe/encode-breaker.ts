/** A circuit breaker as the protocol has it. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BreakerStatus } from '../circuit-breaker/breaker-status.ts';
import type { BreakerSchema } from '../xds/api/outrigger/observe/v1/observe_pb.js';
import { timestamp } from './encode-record.ts';

export function encodeBreaker(status: BreakerStatus): MessageInitShape<typeof BreakerSchema> {
  const { scope, name, rule, state, heldByOperator, since, sinceSeconds, why, nextProbeSeconds, window, total } =
    status;
  return {
    ...{ scope, name, rule, heldByOperator, sinceSeconds, why },
    state: state.replace('-', '_'),
    since: timestamp(Date.parse(since)),
    ...(nextProbeSeconds === null ? {} : { nextProbeSeconds }),
    ...{ calls: BigInt(window.calls), failures: BigInt(window.failures), slow: BigInt(window.slow) },
    refused: BigInt(total.refused),
  };
}
