// An application that knows nothing of a mesh.
import { createServer } from 'node:http';

const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end('{"order":42,"state":"paid"}\n');
});
server.listen(8080, '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
