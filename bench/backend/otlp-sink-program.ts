/**
 * A collector that takes spans by OTLP over gRPC and forgets them: `node otlp-sink-program.ts takes|hangs`. `hangs`: it takes connections and requests, and answers nothing. Prints its port; ends when its
 * standard input does. It looks into nothing that it gets, so that it takes little of the core that it shares with the load.
 */
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

const answers = process.argv[2] !== 'hangs';
/** An empty ExportTraceServiceResponse, length-prefixed: all were taken. */
const taken = Buffer.alloc(5);

const server = createServer({ settings: { initialWindowSize: 16 << 20 } });
server.on('session', (session) => session.setLocalWindowSize(64 << 20));
server.on('stream', (stream: ServerHttp2Stream) => {
  stream.on('error', () => undefined);
  stream.resume();
  if (!answers) return;
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(taken);
  });
});
server.listen(0, '127.0.0.1', () => console.log(`port ${(server.address() as AddressInfo).port}`));
process.stdin.on('end', () => process.exit(0)).resume();
