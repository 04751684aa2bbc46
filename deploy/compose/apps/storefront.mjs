// An application that knows nothing of a mesh, but the address at which orders are.
import { createServer, get } from 'node:http';

const server = createServer((_request, response) => {
  const call = get(process.env.ORDERS_URL, (answer) => {
    response.writeHead(answer.statusCode, { 'content-type': answer.headers['content-type'] ?? 'text/plain' });
    answer.pipe(response);
  });
  call.on('error', (error) => {
    response.writeHead(502);
    response.end(`orders: ${error.message}\n`);
  });
});
server.listen(8080, '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
