/** HTTP health check: one request, judged by status, body and headers as Envoy does. */
import type { ClientStream } from '../../codec/codec.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { RequestHead, type ResponseHead } from '../../codec/message-head.ts';
import type { HttpCheckConfig, StatusRange } from '../../config/health-check-config.ts';
import { HeaderMutation } from '../../router/header-mutation.ts';
import { compileStringMatcher, type StringMatcher } from '../../router/string-matcher.ts';
import { payloadMatches } from './payload-match.ts';
import { type ProbeExchange, type ProbeVerdict, probeUserAgent } from './request-probe.ts';

export class HttpExchange implements ProbeExchange {
  readonly protocol: 'http1' | 'http2';
  readonly authority: string;
  readonly #config: HttpCheckConfig;
  /** The name of the service that answered is looked at. */
  readonly #onNameChecked: () => void;
  readonly #headers: HeaderMutation | null;
  readonly #serviceName: StringMatcher | null;
  #head: ResponseHead | null = null;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(config: HttpCheckConfig, onNameChecked: () => void) {
    this.protocol = config.protocol;
    this.authority = config.host;
    this.#config = config;
    this.#onNameChecked = onNameChecked;
    this.#headers = HeaderMutation.compile(config.requestHeaders);
    this.#serviceName = config.serviceName === null ? null : compileStringMatcher(config.serviceName);
  }

  begin(): void {
    this.#head = null;
    this.#chunks = [];
    this.#bytes = 0;
  }

  ask(stream: ClientStream, authority: string): void {
    const { path, method } = this.#config;
    const fields = HeaderFields.of(['host', authority], ['user-agent', probeUserAgent]);
    if (method !== 'GET' && method !== 'HEAD') fields.append(contentLength, '0');
    this.#headers?.apply(fields);
    stream.sendHead(new RequestHead(method, 'http', authority, path, '1.1', fields), true);
  }

  onHead(head: ResponseHead, endStream: boolean): ProbeVerdict | null {
    this.#head = head;
    return endStream ? this.#judge(head) : null;
  }

  onData(chunk: Buffer, endStream: boolean): ProbeVerdict | null {
    const left = this.#config.responseBufferBytes - this.#bytes;
    if (this.#config.receive.length > 0 && left > 0) {
      this.#chunks.push(Buffer.from(chunk.subarray(0, left)));
      this.#bytes += Math.min(left, chunk.length);
    }
    return endStream ? this.#judge(this.#head!) : null;
  }

  onTrailers(): ProbeVerdict {
    return this.#judge(this.#head!);
  }

  #nameMatches(fields: HeaderFields): boolean {
    if (this.#serviceName === null) return true;
    this.#onNameChecked();
    return this.#serviceName(fields.get(checkedCluster) ?? '');
  }

  #judge({ status, fields }: ResponseHead): ProbeVerdict {
    const { expected, retriable, receive } = this.#config;
    if (!inRanges(status, expected)) {
      const excludes = fields.has('x-envoy-immediate-health-check-fail');
      return { passed: false, reason: `it answered ${status}`, retriable: inRanges(status, retriable), excludes };
    }
    if (receive.length > 0 && !payloadMatches(Buffer.concat(this.#chunks), receive))
      return { passed: false, reason: `the body of its answer (${status}) is not the one expected` };
    return this.#nameMatches(fields)
      ? { passed: true, degraded: fields.has('x-envoy-degraded') }
      : { passed: false, reason: `it is another service, by its ${checkedCluster}` };
  }
}

const checkedCluster = 'x-envoy-upstream-healthchecked-cluster';
const [contentLength] = HeaderFields.of(['content-length', '']).names as [HeaderFields['names'][number]];

function inRanges(status: number, ranges: readonly StatusRange[]): boolean {
  return ranges.some(([from, to]) => status >= from && status < to);
}
