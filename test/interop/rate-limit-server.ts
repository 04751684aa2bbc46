/** A rate limit service (Envoy's RLS v3) for tests: what it says depends on the value of the first entry; it keeps what it was asked. */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  type RateLimitRequest,
  RateLimitRequestSchema,
  type RateLimitResponse,
  RateLimitResponse_Code,
  RateLimitResponse_RateLimit_Unit,
  RateLimitResponseSchema,
} from '../../sidecar/xds/api/envoy/service/ratelimit/v3/rls_pb.js';

const { OK, OVER_LIMIT, UNKNOWN } = RateLimitResponse_Code;
const { MINUTE } = RateLimitResponse_RateLimit_Unit;
const statuses = [
  {
    code: OK,
    currentLimit: { requestsPerUnit: 10, unit: MINUTE, name: 'per-user' },
    limitRemaining: 3,
    durationUntilReset: { seconds: 17n },
  },
  { code: OK, currentLimit: { requestsPerUnit: 100, unit: MINUTE }, limitRemaining: 50 },
];

const answers: Readonly<Record<string, MessageInitShape<typeof RateLimitResponseSchema>>> = {
  over: {
    overallCode: OVER_LIMIT,
    responseHeadersToAdd: [{ key: 'x-from-service', value: 'slow' }],
    statuses,
    rawBody: Buffer.from('slow down'),
  },
  told: {
    overallCode: OK,
    responseHeadersToAdd: [{ key: 'x-from-service', value: 'fine' }],
    requestHeadersToAdd: [{ key: 'x-for-app', value: 'limit' }],
    statuses,
  },
  unknown: { overallCode: UNKNOWN },
};

export class RateLimitServer {
  readonly #server = new Server();
  /** Domain and entries of each request, as text. */
  readonly asked: string[] = [];

  async start(): Promise<number> {
    this.#server.addService(
      {
        shouldRateLimit: {
          path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
          requestStream: false,
          responseStream: false,
          requestSerialize: (message: RateLimitRequest) => Buffer.from(toBinary(RateLimitRequestSchema, message)),
          requestDeserialize: (bytes: Buffer) => fromBinary(RateLimitRequestSchema, bytes),
          responseSerialize: (message: RateLimitResponse) => Buffer.from(toBinary(RateLimitResponseSchema, message)),
          responseDeserialize: (bytes: Buffer) => fromBinary(RateLimitResponseSchema, bytes),
        },
      },
      {
        shouldRateLimit: (
          call: ServerUnaryCall<RateLimitRequest, RateLimitResponse>,
          done: sendUnaryData<RateLimitResponse>,
        ) => this.#answer(call.request, done),
      },
    );
    return new Promise((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  #answer({ domain, descriptors, hitsAddend }: RateLimitRequest, done: sendUnaryData<RateLimitResponse>): void {
    const entries = descriptors.map((each) => each.entries.map(({ key, value }) => `${key}=${value}`).join(' '));
    this.asked.push(`${domain}: ${entries.join(' | ')}${hitsAddend === 0 ? '' : ` +${hitsAddend}`}`);
    const wanted = descriptors[0]?.entries[0]?.value ?? '';
    if (wanted === 'late') return;
    if (wanted === 'error') done({ code: status.INTERNAL, details: 'broken' });
    else done(null, create(RateLimitResponseSchema, answers[wanted] ?? { overallCode: OK }));
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
