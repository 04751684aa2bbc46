/** One call to a rate limit service (envoy.service.ratelimit.v3): what is asked, and what becomes of the answer's bytes. How long it is waited for is service-question.ts's. */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { RateLimitConfig } from '../../config/rate-limit-config.ts';
import { GrpcCall } from '../../grpc/grpc-call.ts';
import { formatGrpcTimeout } from '../../router/request-timeout.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Descriptor } from './request-descriptors.ts';
import { decodeResponse, encodeRequest, type LimitVerdict } from './rls-message.ts';

const mostAnswerBytes = 256 * 1024;

export interface LimitCallContext {
  readonly clusters: ClusterLookup;
  readonly clock: Clock;
}

/** Asks; `answered` is called once, maybe from inside, and not after `cancel`. */
export function callLimitService(
  { service, timeoutMs }: RateLimitConfig,
  domain: string,
  descriptors: readonly Descriptor[],
  { clusters, clock }: LimitCallContext,
  answered: (answer: LimitVerdict) => void,
): { cancel(): void } {
  const cluster = clusters.cluster(service.cluster);
  if (cluster === undefined) {
    answered({ kind: 'error', why: 'there is no such cluster' });
    return { cancel: () => {} };
  }
  let answer: Buffer | null = null;
  const call = new GrpcCall(
    {
      cluster,
      path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
      authority: service.authority,
      metadata: [...service.initialMetadata, ['grpc-timeout', formatGrpcTimeout(timeoutMs)]],
      maxMessageBytes: mostAnswerBytes,
      clock,
    },
    {
      onMessage: (received) => {
        answer ??= received;
      },
      onEnd: ({ code, message: why }) => {
        if (code !== 0) answered({ kind: 'error', why: `gRPC status ${code}${why === '' ? '' : `: ${why}`}` });
        else if (answer === null) answered({ kind: 'error', why: 'it gave no answer' });
        else answered(decodeResponse(answer));
      },
    },
  );
  call.send(encodeRequest(domain, descriptors));
  call.halfClose();
  call.start();
  return call;
}
