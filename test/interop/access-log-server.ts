/** An access log service (Envoy's ALS v3) for tests: it keeps every message of every stream. */
import { fromBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerReadableStream } from '@grpc/grpc-js';
import type { HTTPAccessLogEntry } from '../../proto/generated/envoy/data/accesslog/v3/accesslog_pb.js';
import {
  type StreamAccessLogsMessage,
  StreamAccessLogsMessageSchema,
} from '../../proto/generated/envoy/service/accesslog/v3/als_pb.js';

export class AccessLogServer {
  readonly #server = new Server();
  readonly messages: StreamAccessLogsMessage[] = [];

  async start(): Promise<number> {
    this.#server.addService(
      {
        streamAccessLogs: {
          path: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
          requestStream: true,
          responseStream: false,
          requestSerialize: () => Buffer.alloc(0),
          requestDeserialize: (bytes: Buffer) => fromBinary(StreamAccessLogsMessageSchema, bytes),
          responseSerialize: () => Buffer.alloc(0),
          responseDeserialize: () => ({}),
        },
      },
      {
        streamAccessLogs: (
          call: ServerReadableStream<StreamAccessLogsMessage, unknown>,
          answer: (error: null, value: unknown) => void,
        ) => {
          call.on('data', (message: StreamAccessLogsMessage) => this.messages.push(message));
          call.on('error', () => {});
          call.on('end', () => answer(null, {}));
        },
      },
    );
    return new Promise((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  /** Of HTTP, in the order in which they came. */
  get entries(): readonly HTTPAccessLogEntry[] {
    return this.messages.flatMap(({ logEntries }) => (logEntries.case === 'httpLogs' ? logEntries.value.logEntry : []));
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
