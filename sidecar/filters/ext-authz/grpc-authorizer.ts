/** Asks an authorization service over gRPC (`envoy.service.auth.v3.Authorization/Check`), through a cluster of the sidecar's own. */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { ExtAuthzConfig, GrpcAuthorizationConfig } from '../../config/ext-authz-config.ts';
import { GrpcCall } from '../../grpc/grpc-call.ts';
import { formatGrpcTimeout } from '../../router/request-timeout.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Authorization, Authorizer, Question } from './authorization.ts';
import { decodeCheck, encodeCheck } from './check-message.ts';
import { ToldHeaders } from './told-headers.ts';

const mostAnswerBytes = 256 * 1024;

export class GrpcAuthorizer implements Authorizer {
  readonly #config: ExtAuthzConfig;
  readonly #service: GrpcAuthorizationConfig;
  readonly #clusters: ClusterLookup;
  readonly #clock: Clock;
  readonly #told: ToldHeaders;
  readonly #metadata: ReadonlyArray<readonly [string, string]>;

  constructor(config: ExtAuthzConfig, service: GrpcAuthorizationConfig, clusters: ClusterLookup, clock: Clock) {
    this.#config = config;
    this.#service = service;
    this.#clusters = clusters;
    this.#clock = clock;
    this.#told = new ToldHeaders(config);
    const { timeoutMs, initialMetadata } = service;
    this.#metadata =
      timeoutMs === 0 ? initialMetadata : [...initialMetadata, ['grpc-timeout', formatGrpcTimeout(timeoutMs)]];
  }

  ask(question: Question, done: (answer: Authorization) => void): { cancel(): void } {
    const { cluster: name, authority } = this.#service;
    const cluster = this.#clusters.cluster(name);
    if (cluster === undefined) {
      done({ kind: 'error', why: 'there is no such cluster' });
      return nothingToCancel;
    }
    const clock = this.#clock;
    const startedWallMs = clock.wallMs() - (clock.nowMs() - question.request.startMs);
    const message = encodeCheck(question, this.#config, this.#told, startedWallMs);
    if (message === null) {
      // Not the service's fault: failing open is not for this.
      done({ kind: 'invalid', why: 'the request cannot be described to it' });
      return nothingToCancel;
    }
    let answer: Buffer | null = null;
    const call = new GrpcCall(
      {
        cluster,
        path: '/envoy.service.auth.v3.Authorization/Check',
        authority,
        metadata: this.#metadata,
        maxMessageBytes: mostAnswerBytes,
        clock,
      },
      {
        onMessage: (received) => {
          answer ??= received;
        },
        onEnd: ({ code, message: why }) => {
          if (code !== 0) done({ kind: 'error', why: `gRPC status ${code}${why === '' ? '' : `: ${why}`}` });
          else if (answer === null) done({ kind: 'error', why: 'it gave no answer' });
          else done(decodeCheck(answer));
        },
      },
    );
    call.send(message);
    call.halfClose();
    call.start();
    return call;
  }
}

const nothingToCancel = { cancel: () => undefined };
