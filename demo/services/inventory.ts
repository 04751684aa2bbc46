/** Inventory: gRPC, server streaming. */
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import './end-with-parent.ts';
import { port } from './outbound.ts';
import { Inventory } from './shop-proto.ts';

interface ReserveRequest {
  readonly orderId: string;
  readonly items: readonly string[];
}

const stock = new Map<string, number>();

const server = new Server();
server.addService(Inventory.service, {
  reserve(call: ServerWritableStream<ReserveRequest, unknown>) {
    for (const item of call.request.items) {
      // The shelf is filled again when it is empty, so that the demo can run for ever.
      const left = (stock.get(item) ?? 1000) - 1 || 1000;
      if (stock.size < 10_000 || stock.has(item)) stock.set(item, left);
      call.write({ item, left });
    }
    call.end();
  },
});
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
process.on('SIGTERM', () => server.tryShutdown(() => process.exit(0)));
