/** gRPC health check: `grpc.health.v1.Health/Check` over HTTP/2, well when it answers SERVING. Two fields of two messages are all there is, so they are written and read by hand. */
import type { ResponseReceiver } from '../../codec/codec.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { RequestHead, type ResponseHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import type { GrpcCheckConfig } from '../../config/health-check-config.ts';
import { frameMessage, MessageReader } from '../../grpc/grpc-message.ts';
import { HeaderMutation } from '../../router/header-mutation.ts';
import type { RunningHost } from '../running-host.ts';
import { probeUserAgent } from './http-probe.ts';
import type { Probe, ProbeContext, ProbeOwner } from './probe.ts';
import { ProbeConnection, type ProbeConnectionOwner } from './probe-connection.ts';

const mostMessageBytes = 4_096;
const serving = 1;

export class GrpcProbe implements Probe, ProbeConnectionOwner, ResponseReceiver {
  readonly #config: GrpcCheckConfig;
  readonly #timeoutMs: number;
  readonly #reuse: boolean;
  readonly #host: RunningHost;
  readonly #context: ProbeContext;
  readonly #owner: ProbeOwner;
  readonly #line: ProbeConnection;
  readonly #metadata: HeaderMutation | null;
  readonly #request: Buffer;
  #reader = new MessageReader(mostMessageBytes);
  #running = false;
  /** ServingStatus; -1: none came. */
  #answer = -1;

  constructor(
    config: GrpcCheckConfig,
    { timeoutMs, reuse }: { readonly timeoutMs: number; readonly reuse: boolean },
    host: RunningHost,
    context: ProbeContext,
    owner: ProbeOwner,
  ) {
    this.#config = config;
    this.#timeoutMs = timeoutMs;
    this.#reuse = reuse;
    this.#host = host;
    this.#context = context;
    this.#owner = owner;
    this.#line = new ProbeConnection('http2', host, context, this);
    this.#metadata = HeaderMutation.compile(config.metadata);
    this.#request = frameMessage(checkRequest(config.serviceName));
  }

  start(): void {
    this.#running = true;
    this.#answer = -1;
    this.#reader = new MessageReader(mostMessageBytes);
    this.#line.open();
  }

  giveUp(): void {
    this.close();
  }

  close(): void {
    this.#running = false;
    this.#line.close();
  }

  onLineReady(): void {
    if (!this.#running) return;
    const authority = this.#host.endpoint.healthCheck?.hostname || this.#config.authority || this.#context.clusterName;
    const fields = HeaderFields.of(
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ['user-agent', probeUserAgent],
      ['grpc-timeout', `${Math.ceil(this.#timeoutMs)}m`],
    );
    this.#metadata?.apply(fields);
    const stream = this.#line.newStream(this);
    stream.sendHead(new RequestHead('POST', 'http', authority, '/grpc.health.v1.Health/Check', '2', fields), false);
    stream.sendData(this.#request, true);
  }

  onLineFailed(reason: string): void {
    this.#end('network', reason);
  }

  onInformational(): void {
    // Nothing in gRPC uses it.
  }

  onHead({ status, fields }: ResponseHead, endStream: boolean): void {
    if (!this.#running) return;
    const type = fields.get('content-type') ?? '';
    if (status !== 200 || !type.startsWith('application/grpc')) {
      this.#end('active', `its answer is HTTP ${status} with content-type ${JSON.stringify(type)}, not gRPC`);
      // What else comes of it is not waited for.
      if (!endStream) this.#line.finish();
    } else if (endStream) this.onTrailers(fields);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (!this.#running) return;
    try {
      for (const message of chunk.length === 0 ? [] : this.#reader.push(Buffer.from(chunk)))
        this.#answer = servingStatus(message);
    } catch (error) {
      this.#end('active', `its answer cannot be read: ${(error as Error).message}`);
      if (!endStream) this.#line.finish();
      return;
    }
    if (endStream) this.#end('active', 'its answer has no gRPC status');
  }

  onTrailers(trailers: HeaderFields): void {
    if (!this.#running) return;
    const status = trailers.get('grpc-status') ?? '';
    if (status !== '0') this.#end('active', `it answered gRPC status ${status === '' ? 'none' : status}`);
    else if (this.#answer !== serving)
      this.#end('active', `it answered ${servingNames[this.#answer] ?? 'no known status'}`);
    else this.#end(null, '');
  }

  onReset(error: ProxyError): void {
    this.#end('network', error.message);
  }

  onWriteBlocked(): void {
    // A few bytes are all that is sent.
  }

  onWriteReady(): void {
    // See onWriteBlocked.
  }

  #end(why: 'active' | 'network' | null, reason: string): void {
    if (!this.#running) return;
    this.#running = false;
    if (!this.#reuse) this.#line.finish();
    if (why === null) this.#owner.onProbePassed(false);
    else this.#owner.onProbeFailed(why, reason);
  }
}

const servingNames: readonly string[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** HealthCheckRequest: `string service = 1`. The name is at most 16 383 bytes long (checked with the configuration). */
function checkRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const { length } = name;
  if (length === 0) return name;
  return Buffer.concat([
    Buffer.from(length < 128 ? [0x0a, length] : [0x0a, (length & 0x7f) | 0x80, length >> 7]),
    name,
  ]);
}

/** HealthCheckResponse: `ServingStatus status = 1`; absent is UNKNOWN. Other fields are of later versions, and behind it. */
function servingStatus(message: Buffer): number {
  if (message.length === 0) return 0;
  return message[0] === 0x08 && message.length > 1 ? message[1]! : -1;
}
