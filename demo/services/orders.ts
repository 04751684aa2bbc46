/** Orders: HTTP with JSON. Charges by payments (gRPC), reserves at inventory (gRPC streaming) for every tenth order. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import './end-with-parent.ts';
import { handOn } from './handed-on.ts';
import { outbound, port } from './outbound.ts';
import { callOptions, Inventory, Payments } from './shop-proto.ts';

interface ChargeResponse {
  readonly receipt: string;
  readonly version: string;
}

const payments = new Payments(outbound, credentials.createInsecure(), callOptions('payments.shop'));
const inventory = new Inventory(outbound, credentials.createInsecure(), callOptions('inventory.shop'));
let orders = 0;

function contextOf({ headers }: IncomingMessage): Metadata {
  const metadata = new Metadata();
  handOn(
    (name) => headers[name],
    (name, value) => metadata.set(name, value),
  );
  return metadata;
}

function charge(orderId: string, context: Metadata): Promise<ChargeResponse> {
  return new Promise((resolve, reject) => {
    payments['charge']!(
      { orderId, cents: 4200 },
      context,
      { deadline: Date.now() + 5000 },
      (error: ServiceError | null, answer: ChargeResponse) => (error === null ? resolve(answer) : reject(error)),
    );
  });
}

function reserve(orderId: string, context: Metadata): Promise<number> {
  return new Promise((resolve, reject) => {
    let reserved = 0;
    inventory['reserve']!({ orderId, items: ['paddle', 'rope', 'sail'] }, context, { deadline: Date.now() + 5000 })
      .on('data', () => reserved++)
      .on('end', () => resolve(reserved))
      .on('error', reject);
  });
}

async function order(request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume();
  const orderId = decodeURIComponent((request.url ?? '/').split('/').at(-1) ?? '');
  orders++;
  const context = contextOf(request);
  const paid = await charge(orderId, context);
  const reserved = orders % 10 === 0 ? await reserve(orderId, context) : 0;
  const body = JSON.stringify({ order: orderId, receipt: paid.receipt, payments: paid.version, reserved });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

const server = createServer((request, response) => {
  order(request, response).catch((error: Error) => {
    const body = JSON.stringify({ error: error.message });
    response
      .writeHead(502, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
      .end(body);
  });
});
server.listen(port, '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
