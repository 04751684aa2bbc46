/**
 * CPU cost of the HTTP/1.1 codec alone, both sides, without the kernel: sockets are stubs that take what is written. Prints microseconds per request for
 * each scenario. Run: node bench/micro/http1.ts [seconds per scenario]
 */
import type { Socket } from 'node:net';
import type {
  ClientConnectionOwner,
  RequestReceiver,
  ResponseReceiver,
  ServerConnectionOwner,
  ServerStream,
} from '../../sidecar/codec/codec.ts';
import { HeaderFields } from '../../sidecar/codec/header-fields.ts';
import { defaultHttpLimits } from '../../sidecar/codec/limits.ts';
import { type RequestHead, ResponseHead } from '../../sidecar/codec/message-head.ts';
import { Http1ClientConnection } from '../../sidecar/http1/client-connection.ts';
import { Http1ServerConnection } from '../../sidecar/http1/server-connection.ts';
import { systemClock } from '../../sidecar/runtime/clock.ts';
import { TimerWheel } from '../../sidecar/runtime/timer-wheel.ts';

const seconds = Number(process.argv[2] ?? 1);
const batch = 64;
const wheel = new TimerWheel(systemClock);

class StubSocket {
  onData: (bytes: Buffer) => void = () => {};
  destroyed = false;
  writable = true;
  writableLength = 0;
  written = 0;
  on(event: string, listener: (bytes: Buffer) => void): this {
    if (event === 'data') this.onData = listener;
    return this;
  }
  write(bytes: Buffer): boolean {
    this.written += bytes.length;
    return true;
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  isPaused(): boolean {
    return false;
  }
  resume(): void {}
  end(): void {}
  destroy(): void {
    this.destroyed = true;
  }
}

function request(i: number, varied: boolean): string {
  const id = varied ? `x-request-id: 5f0c${i.toString(16).padStart(8, '0')}-aaaa-4bbb-8ccc-dddddddddddd\r\n` : '';
  return `GET /orders/42?page=1 HTTP/1.1\r\nHost: orders.shop:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef; theme=dark\r\n${id}\r\n`;
}
function responseText(i: number, varied: boolean): string {
  const id = varied ? `x-request-id: 5f0c${i.toString(16).padStart(8, '0')}-aaaa-4bbb-8ccc-dddddddddddd\r\n` : '';
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Mon, 23 Nov 2026 17:00:00 GMT\r\ncache-control: no-store\r\n${id}content-length: 1024\r\n\r\n`;
}
const body = Buffer.alloc(1024, 97);

/** Proxies without anything between: the upstream answers each request from memory. */
class Pair implements ServerConnectionOwner, ClientConnectionOwner, RequestReceiver, ResponseReceiver {
  readonly down = new StubSocket();
  readonly up = new StubSocket();
  readonly server: Http1ServerConnection;
  readonly client: Http1ClientConnection;
  stream: ServerStream | null = null;
  answered = 0;
  constructor() {
    this.server = new Http1ServerConnection(this.down as unknown as Socket, this, defaultHttpLimits, {
      scheme: 'http',
      wheel,
      acceptHttp10: true,
      firstBytes: null,
    });
    this.client = new Http1ClientConnection(this.up as unknown as Socket, this, defaultHttpLimits);
  }
  onStream(stream: ServerStream): RequestReceiver {
    this.stream = stream;
    return this;
  }
  onCodecError(): void {
    throw new Error('unexpected');
  }
  onReady(): void {}
  onStreamsAvailable(): void {}
  onDraining(): void {}
  onClose(): void {
    throw new Error('unexpected');
  }
  onHead(head: RequestHead | ResponseHead, endStream: boolean): void {
    if (head instanceof ResponseHead) this.stream!.sendHead(head, endStream);
    else this.client.newStream(this).sendHead(head, endStream);
  }
  onInformational(): void {}
  onData(chunk: Buffer, endStream: boolean): void {
    this.stream!.sendData(chunk, endStream);
    if (endStream) this.answered++;
  }
  onTrailers(): void {}
  onReset(): void {
    throw new Error('unexpected');
  }
  onWriteBlocked(): void {}
  onWriteReady(): void {}
}

class Answering extends Pair {
  override onHead(): void {
    this.stream!.sendHead(new ResponseHead(200, fixed.clone()), false);
    this.stream!.sendData(body, true);
    this.answered++;
  }
}
const fixed = HeaderFields.of(
  ['content-type', 'application/json'],
  ['date', 'Mon, 23 Nov 2026 17:00:00 GMT'],
  ['cache-control', 'no-store'],
  ['content-length', '1024'],
);

/** `ask` and, a turn of the event loop later, `answer`, for each of a batch of connections. */
async function measure(name: string, ask: (i: number) => void, answer: (i: number) => void): Promise<void> {
  let count = 0;
  const round = async (): Promise<void> => {
    for (let i = 0; i < batch; i++) ask(count + i);
    await new Promise(setImmediate);
    for (let i = 0; i < batch; i++) answer(count + i);
    await new Promise(setImmediate);
    count += batch;
  };
  for (let i = 0; i < 300; i++) await round();
  count = 0;
  const begin = process.cpuUsage();
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) await round();
  const used = process.cpuUsage(begin);
  console.log(`${name.padEnd(60)} ${((used.user + used.system) / count).toFixed(2)} µs per request`);
}
const nothing = (): void => {};

for (const varied of [false, true]) {
  const what = varied ? 'every head different' : 'same heads again';
  const requests = Array.from({ length: 256 }, (_, i) => Buffer.from(request(i, varied), 'latin1'));
  const responses = Array.from({ length: 256 }, (_, i) =>
    Buffer.concat([Buffer.from(responseText(i, varied), 'latin1'), body]),
  );
  const answering = Array.from({ length: batch }, () => new Answering());
  await measure(
    `server side: request in, 1 KiB out; ${what}`,
    (i) => answering[i % batch]!.down.onData(requests[(i * 7) & 255]!),
    nothing,
  );
  const pairs = Array.from({ length: batch }, () => new Pair());
  await measure(
    `both sides: 1 KiB answer; ${what}`,
    (i) => pairs[i % batch]!.down.onData(requests[(i * 7) & 255]!),
    (i) => pairs[i % batch]!.up.onData(responses[(i * 5) & 255]!),
  );
}
const chunked = Buffer.concat([
  Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n400\r\n'),
  body,
  Buffer.from('\r\n0\r\n\r\n'),
]);
const pairs = Array.from({ length: batch }, () => new Pair());
const plain = Buffer.from(request(0, false), 'latin1');
await measure(
  'both sides: chunked 1 KiB answer',
  (i) => pairs[i % batch]!.down.onData(plain),
  (i) => pairs[i % batch]!.up.onData(chunked),
);
