/** One gRPC call of the backend's test service on a connection of its own, and how it ended. */
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';

export interface GrpcExchange {
  /** gRPC status; 0 is OK. */
  readonly code: number;
  readonly details: string;
  /** `x-forwarded-client-cert`, as the service got it; '' for none. */
  readonly seenClientCertificate: string;
}

const deadlineMs = 10_000;

export function callGrpc(port: number, authority: string, metadata: Readonly<Record<string, string>> = {}) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.default_authority': authority,
    'grpc.use_local_subchannel_pool': 1,
  });
  const sent = new Metadata();
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
  return new Promise<GrpcExchange>((resolve) => {
    let seenClientCertificate = '';
    const end = (error: ServiceError | null): void => {
      client.close();
      resolve({ code: error?.code ?? 0, details: error?.details ?? '', seenClientCertificate });
    };
    const call = client.makeUnaryRequest(
      '/grpc.testing.TestService/EmptyCall',
      () => Buffer.alloc(0),
      // Anything but null, which would be no message.
      () => true,
      null,
      sent,
      { deadline: Date.now() + deadlineMs },
      end,
    );
    call.on('metadata', (answer) => {
      seenClientCertificate = String(answer.get('x-seen-client-cert')[0] ?? '');
    });
  });
}
