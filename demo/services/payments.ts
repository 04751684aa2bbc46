/** Payments: gRPC, unary. Runs in two versions; VERSION says which. */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import './end-with-parent.ts';
import { port } from './outbound.ts';
import { Payments } from './shop-proto.ts';

interface ChargeRequest {
  readonly orderId: string;
  readonly cents: number;
}

const version = process.env['VERSION'] ?? 'v1';
let receipts = 0;

const server = new Server();
server.addService(Payments.service, {
  charge(_call: ServerUnaryCall<ChargeRequest, unknown>, answer: sendUnaryData<unknown>) {
    receipts++;
    answer(null, { receipt: `${version}-${process.pid}-${receipts}`, version });
  },
});
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
process.on('SIGTERM', () => server.tryShutdown(() => process.exit(0)));
