/** Authorization services for ext_authz: one over gRPC (grpc-js), one over HTTP (node:http). They answer as they are told to, and keep what they were asked. */
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  type CheckRequest,
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
} from '../../proto/generated/envoy/service/auth/v3/external_auth_pb.js';

export type CheckAnswer = MessageInitShape<typeof CheckResponseSchema>;

export class GrpcAuthorizationServer {
  readonly asked: CheckRequest[] = [];
  readonly #server = new Server();
  readonly #answer: (name: string) => CheckAnswer | null | 'fails';
  port = 0;

  /** By the request's `x-case` header; null: it says nothing. */
  constructor(answer: (name: string) => CheckAnswer | null | 'fails') {
    this.#answer = answer;
    this.#server.addService(
      {
        check: {
          path: '/envoy.service.auth.v3.Authorization/Check',
          requestStream: false,
          responseStream: false,
          requestSerialize: (message: CheckRequest) => Buffer.from(toBinary(CheckRequestSchema, message)),
          requestDeserialize: (bytes: Buffer) => fromBinary(CheckRequestSchema, bytes),
          responseSerialize: (message: CheckResponse) => Buffer.from(toBinary(CheckResponseSchema, message)),
          responseDeserialize: (bytes: Buffer) => fromBinary(CheckResponseSchema, bytes),
        },
      },
      {
        check: (call: ServerUnaryCall<CheckRequest, CheckResponse>, done: sendUnaryData<CheckResponse>) => {
          this.asked.push(call.request);
          const answer = this.#answer(call.request.attributes?.request?.http?.headers['x-case'] ?? '');
          if (answer === 'fails') done({ code: status.INTERNAL, details: 'out of order' });
          else if (answer !== null) done(null, create(CheckResponseSchema, answer));
        },
      },
    );
  }

  async start(): Promise<this> {
    this.port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

export class HttpAuthorizationServer {
  readonly asked: IncomingMessage[] = [];
  readonly #server: HttpServer;

  constructor(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#server = createServer((request, response) => {
      this.asked.push(request);
      request.resume();
      answer(request, response);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return this;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
