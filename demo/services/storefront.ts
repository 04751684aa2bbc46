/** Storefront: what a browser meets. `GET /buy/<id>` places an order at orders. */
import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import './end-with-parent.ts';
import { handOn } from './handed-on.ts';
import { outbound, port } from './outbound.ts';

const agent = new Agent({ keepAlive: true });
const [host, outboundPort] = outbound.split(':');

function placeOrder(id: string, caller: IncomingMessage, response: ServerResponse): void {
  const headers: Record<string, string> = { host: 'orders.shop', 'content-length': '0' };
  handOn(
    (name) => caller.headers[name],
    (name, value) => (headers[name] = value),
  );
  const call = httpRequest(
    { host, port: Number(outboundPort), agent, method: 'POST', path: `/orders/${encodeURIComponent(id)}`, headers },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] ?? 'text/plain' });
      answer.pipe(response);
    },
  );
  call.on('error', (error) => response.writeHead(502, { 'content-type': 'text/plain' }).end(`${error.message}\n`));
  call.end();
}

const server = createServer((request, response) => {
  request.resume();
  const buy = /^\/buy\/([^/?]+)/.exec(request.url ?? '');
  if (buy !== null) placeOrder(buy[1]!, request, response);
  else response.writeHead(200, { 'content-type': 'text/plain' }).end('The outrigger shop. Try /buy/42\n');
});
server.listen(port, '127.0.0.1');
process.on('SIGTERM', () => {
  agent.destroy();
  server.close(() => process.exit(0));
});
