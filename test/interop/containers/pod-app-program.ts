/**
 * The application of a pod: it knows of no mesh. HTTP on 8080 tells what came, TCP on 9000 speaks first; `/hold` is answered when the application is told to end, as one that finishes what it has in hand. Runs in an image with
 * nothing but Node ({@link appImage}).
 */
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';

const [name = ''] = process.argv.slice(2);
const held: ServerResponse[] = [];

const http = createHttpServer((request, response) => {
  const told = { name, from: request.socket.remoteAddress, path: request.url, headers: request.headers };
  if (request.url === '/hold') held.push(response);
  else response.end(JSON.stringify({ ...told, held: held.length }));
});
const greeting = createServer((socket: Socket) => {
  socket.on('error', () => {});
  socket.write(`${name} greets\n`);
  socket.pipe(socket);
});
for (const [port, server] of [
  [8080, http],
  [9000, greeting],
] as const)
  await new Promise<void>((resolve) => void server.listen(port, () => resolve()));
process.stdout.write('listening\n');
process.once('SIGTERM', () => {
  for (const response of held) response.end('finished');
  http.close(() => process.exit());
  http.closeIdleConnections();
});
