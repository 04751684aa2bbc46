/** gRPC health check: `grpc.health.v1.Health/Check` over HTTP/2, well when it answers SERVING. Two fields of two messages are all there is, so no library reads and writes them. */
import { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import type { ClientStream } from '../../codec/codec.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { RequestHead, type ResponseHead } from '../../codec/message-head.ts';
import type { GrpcCheckConfig } from '../../config/health-check-config.ts';
import { frameMessage, MessageReader } from '../../grpc/grpc-message.ts';
import { HeaderMutation } from '../../router/header-mutation.ts';
import { type ProbeExchange, type ProbeVerdict, probeUserAgent } from './request-probe.ts';

const mostMessageBytes = 4_096;
const serving = 1;

export class GrpcExchange implements ProbeExchange {
  readonly protocol = 'http2';
  readonly authority: string;
  readonly #timeoutMs: number;
  readonly #metadata: HeaderMutation | null;
  readonly #request: Buffer;
  #reader = new MessageReader(mostMessageBytes);
  /** ServingStatus; -1: none came. */
  #answer = -1;

  constructor(config: GrpcCheckConfig, timeoutMs: number) {
    this.authority = config.authority;
    this.#timeoutMs = timeoutMs;
    this.#metadata = HeaderMutation.compile(config.metadata);
    this.#request = frameMessage(checkRequest(config.serviceName));
  }

  begin(): void {
    this.#answer = -1;
    this.#reader = new MessageReader(mostMessageBytes);
  }

  ask(stream: ClientStream, authority: string): void {
    const fields = HeaderFields.of(
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ['user-agent', probeUserAgent],
      ['grpc-timeout', `${Math.ceil(this.#timeoutMs)}m`],
    );
    this.#metadata?.apply(fields);
    stream.sendHead(new RequestHead('POST', 'http', authority, '/grpc.health.v1.Health/Check', '2', fields), false);
    stream.sendData(this.#request, true);
  }

  onHead({ status, fields }: ResponseHead, endStream: boolean): ProbeVerdict | null {
    const type = fields.get('content-type') ?? '';
    if (status !== 200 || !type.startsWith('application/grpc'))
      return failed(`its answer is HTTP ${status} with content-type ${JSON.stringify(type)}, not gRPC`);
    return endStream ? this.onTrailers(fields) : null;
  }

  onData(chunk: Buffer, endStream: boolean): ProbeVerdict | null {
    try {
      for (const message of chunk.length === 0 ? [] : this.#reader.push(Buffer.from(chunk)))
        this.#answer = servingStatus(message);
    } catch (error) {
      return failed(`its answer cannot be read: ${(error as Error).message}`);
    }
    return endStream ? failed('its answer has no gRPC status') : null;
  }

  onTrailers(trailers: HeaderFields): ProbeVerdict {
    const status = trailers.get('grpc-status') ?? '';
    if (status !== '0') return failed(`it answered gRPC status ${status === '' ? 'none' : status}`);
    return this.#answer === serving
      ? { passed: true, degraded: false }
      : failed(`it answered ${servingNames[this.#answer] ?? 'no known status'}`);
  }
}

function failed(reason: string): ProbeVerdict {
  return { passed: false, reason };
}

const servingNames: readonly string[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** HealthCheckRequest: `string service = 1`. */
function checkRequest(service: string): Buffer {
  const out = new ProtobufWriter(64);
  out.string(1, service);
  return out.finish();
}

/** HealthCheckResponse: `ServingStatus status = 1`; absent is UNKNOWN. Other fields are of later versions, and behind it. */
function servingStatus(message: Buffer): number {
  if (message.length === 0) return 0;
  return message[0] === 0x08 && message.length > 1 ? message[1]! : -1;
}
