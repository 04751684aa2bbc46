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

/** Which proxies by their node's id: those that have a text in it, without what they were sent, or one with all of it. */
type Wanted = { readonly contains: string } | { readonly exact: string };

/** What one proxy was sent may be large. */
const maxBytes = 256 * 1024 * 1024;

/** `wanted`: all when it is not there, without what they were sent. Rejects with a UserError that says why there is no answer. */
export function fetchClientStatus(target: string, wanted: Wanted = { contains: '' }): Promise<ClientStatusResponse> {
  const service = grpcService(ClientStatusDiscoveryService);
  const ClientClass = makeClientConstructor(service, 'ClientStatusDiscoveryService');
  const client = new ClientClass(target, credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxBytes,
  }) as unknown as Client & {
    fetchClientStatus(
      request: unknown,
      options: { deadline: Date },
      done: (error: ServiceError | null, response: ClientStatusResponse) => void,
    ): void;
  };
  const pattern =
    'exact' in wanted
      ? ({ case: 'exact', value: wanted.exact } as const)
      : ({ case: 'contains', value: wanted.contains } as const);
  return new Promise((resolve, reject) => {
    client.fetchClientStatus(
      create(ClientStatusRequestSchema, {
        nodeMatchers: pattern.value === '' ? [] : [{ nodeId: { matchPattern: pattern } }],
        excludeResourceContents: !('exact' in wanted),
      }),
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
