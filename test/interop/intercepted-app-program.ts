/** The applications of a pod: they know nothing of any mesh. HTTP on 9000 and 80, and HTTP/2 on 9100, tell what came (9000 and 80 speak WebSocket too, and say again what one short message said), 6380 and 7000 speak first, 443 speaks TLS. Started by {@link InterceptedPods}. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

const [name = '', certificateFile = '', keyFile = ''] = process.argv.slice(2);

/** Without what says that an IPv4 address came to a socket for both. */
const plain = (address: string | undefined): string => String(address).replace(/^::ffff:/, '');
const answer: RequestListener = (request, response) => {
  response.end(
    JSON.stringify({ name, from: plain(request.socket.remoteAddress), path: request.url, headers: request.headers }),
  );
};
const greet = (socket: Socket): void => {
  socket.on('error', () => {});
  socket.write(`${name} greets ${plain(socket.remoteAddress)}\n`);
  socket.pipe(socket);
};
/** One masked text frame of less than 126 bytes each way (RFC 6455): enough for who asks here. */
const withWebSocket = (server: ReturnType<typeof createHttpServer>): typeof server =>
  server.on('upgrade', (request, socket: Socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    socket.on('error', () => {});
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${createHash('sha1').update(key).digest('base64')}\r\n\r\n`,
    );
    socket.on('data', (frame: Buffer) => {
      if ((frame[0]! & 0x0f) !== 1) return void socket.end();
      const mask = frame.subarray(2, 6);
      const said = String.fromCharCode(...frame.subarray(6).map((byte, at) => byte ^ mask[at % 4]!));
      const text = Buffer.from(`${name} heard ${said} from ${plain(socket.remoteAddress)}`);
      socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
    });
  });
// HTTP/2 without TLS, as gRPC speaks it.
const http2 = createHttp2Server().on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  stream.respond({ ':status': 200 });
  stream.end(JSON.stringify({ name, from: '', path: headers[':path'], headers }));
});
const servers = [
  [9100, http2],
  [80, withWebSocket(createHttpServer(answer))],
  [9000, withWebSocket(createHttpServer(answer))],
  [6380, createServer(greet)],
  [7000, createServer(greet)],
  [
    443,
    createTlsServer({ cert: readFileSync(certificateFile), key: readFileSync(keyFile) }, (socket) => {
      socket.on('error', () => {});
      socket.end(`${name} by TLS for ${String(socket.servername)}\n`);
    }),
  ],
] as const;
for (const [port, server] of servers)
  await new Promise<void>((resolve) => void server.listen(port, '::', () => resolve()));
process.stdout.write('listening\n');
