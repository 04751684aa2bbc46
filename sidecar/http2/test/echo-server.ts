/**
 * A small HTTP/2 server on the codec, for h2spec, h2load and the tests: answers every request with 200 and a body once the request is whole.
 * `node sidecar/http2/test/echo-server.ts PORT` runs it alone.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { RequestReceiver, ServerConnectionOwner, ServerStream } from '../../codec/codec.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { headerName } from '../../codec/header-name.ts';
import { defaultHttp2Limits, defaultHttpLimits } from '../../codec/limits.ts';
import { ResponseHead } from '../../codec/message-head.ts';
import { systemClock } from '../../runtime/clock.ts';
import { TimerWheel } from '../../runtime/timer-wheel.ts';
import { Http2ServerConnection } from '../server-connection.ts';

const body = Buffer.from('x'.repeat(1024));
const contentType = headerName('content-type');
const contentLength = headerName('content-length');

class EchoStream implements RequestReceiver {
  readonly #stream: ServerStream;

  constructor(stream: ServerStream) {
    this.#stream = stream;
  }

  onHead(_head: unknown, endStream: boolean): void {
    if (endStream) this.#answer();
  }

  onData(_chunk: Buffer, endStream: boolean): void {
    if (endStream) this.#answer();
  }

  onTrailers(): void {
    this.#answer();
  }

  onReset(): void {}
  onWriteBlocked(): void {}
  onWriteReady(): void {}

  #answer(): void {
    const fields = new HeaderFields([contentType, contentLength], ['text/plain', '1024']);
    this.#stream.sendHead(new ResponseHead(200, fields), false);
    this.#stream.sendData(body, true);
  }
}

const owner: ServerConnectionOwner = {
  onStream: (stream) => new EchoStream(stream),
  onCodecError: () => {},
  onClose: () => {},
};

/** Serves connections of a listening server; the caller closes it. */
export function startEchoServer(port: number, ready: (port: number) => void): Server {
  const wheel = new TimerWheel(systemClock);
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket: Socket) => {
    const connection = new Http2ServerConnection(socket, owner, defaultHttpLimits, defaultHttp2Limits, {
      scheme: 'http',
      clock: systemClock,
      wheel,
      firstBytes: null,
    });
    void connection;
  });
  server.listen(port, '127.0.0.1', () => ready((server.address() as { port: number }).port));
  return server;
}

if (process.argv[1] === import.meta.filename) {
  startEchoServer(Number(process.argv[2] ?? 0), (port) => process.stdout.write(`${port}\n`));
}
