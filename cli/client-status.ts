/** What every connected proxy has taken of its configuration, asked of the control plane's CSDS service by its plain door. */
import { create } from '@bufbuild/protobuf';
import {
  type Client,
  credentials,
  status as grpcStatus,
  makeClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import {
  ClientStatusDiscoveryService,
  ClientStatusRequestSchema,
  type ClientStatusResponse,
} from '../proto/generated/envoy/service/status/v3/csds_pb.js';
import { grpcService } from '../proto/grpc-service.ts';
import { UserError } from './user-error.ts';

/** grpc-js's text has the whole of its own story. */
function reason({ code, details }: ServiceError): string {
  if (details.includes('ECONNREFUSED')) return 'connection refused';
  if (code === grpcStatus.DEADLINE_EXCEEDED) return 'no answer within 5 s';
  if (details.startsWith('Name resolution failed')) return 'there is no such host';
  if (details.startsWith('No connection established')) return 'what answers there speaks no gRPC without TLS';
  return details;
}

/** Rejects with a UserError that says why there is no answer. */
export function fetchClientStatus(target: string): Promise<ClientStatusResponse> {
  const service = grpcService(ClientStatusDiscoveryService);
  const ClientClass = makeClientConstructor(service, 'ClientStatusDiscoveryService');
  const client = new ClientClass(target, credentials.createInsecure()) as unknown as Client & {
    fetchClientStatus(
      request: unknown,
      options: { deadline: Date },
      done: (error: ServiceError | null, response: ClientStatusResponse) => void,
    ): void;
  };
  return new Promise((resolve, reject) => {
    client.fetchClientStatus(
      create(ClientStatusRequestSchema),
      { deadline: new Date(Date.now() + 5_000) },
      (error, response) => {
        client.close();
        if (error === null) resolve(response);
        else
          reject(
            new UserError(
              `no control plane at ${target} (${reason(error)}); start one with outrigger control-plane, or name another with --control-plane`,
            ),
          );
      },
    );
  });
}
