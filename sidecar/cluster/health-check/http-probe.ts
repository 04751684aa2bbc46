/** HTTP health check: one request, judged by status, body and headers as Envoy does. */
import type { ResponseReceiver } from '../../codec/codec.ts';
import { HeaderFields } from '../../codec/header-fields.ts';
import { RequestHead, type ResponseHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import type { HttpCheckConfig, StatusRange } from '../../config/health-check-config.ts';
import { HeaderMutation } from '../../router/header-mutation.ts';
import { compileStringMatcher, type StringMatcher } from '../../router/string-matcher.ts';
import type { RunningHost } from '../running-host.ts';
import { payloadMatches } from './payload-match.ts';
import type { Probe, ProbeContext, ProbeOwner } from './probe.ts';
import { ProbeConnection, type ProbeConnectionOwner } from './probe-connection.ts';

export const probeUserAgent = 'outrigger/HC';

export class HttpProbe implements Probe, ProbeConnectionOwner, ResponseReceiver {
  readonly #config: HttpCheckConfig;
  readonly #reuse: boolean;
  readonly #host: RunningHost;
  readonly #context: ProbeContext;
  readonly #owner: ProbeOwner;
  readonly #line: ProbeConnection;
  readonly #headers: HeaderMutation | null;
  readonly #serviceName: StringMatcher | null;
  #running = false;
  #head: ResponseHead | null = null;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(config: HttpCheckConfig, reuse: boolean, host: RunningHost, context: ProbeContext, owner: ProbeOwner) {
    this.#config = config;
    this.#reuse = reuse;
    this.#host = host;
    this.#context = context;
    this.#owner = owner;
    this.#line = new ProbeConnection(config.protocol, host, context, this);
    this.#headers = HeaderMutation.compile(config.requestHeaders);
    this.#serviceName = config.serviceName === null ? null : compileStringMatcher(config.serviceName);
  }

  start(): void {
    this.#running = true;
    this.#head = null;
    this.#chunks = [];
    this.#bytes = 0;
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
    const { host, path, method } = this.#config;
    const authority = this.#host.endpoint.healthCheck?.hostname || host || this.#context.clusterName;
    const fields = HeaderFields.of(['host', authority], ['user-agent', probeUserAgent]);
    if (method !== 'GET' && method !== 'HEAD') fields.append(contentLength, '0');
    this.#headers?.apply(fields);
    const stream = this.#line.newStream(this);
    stream.sendHead(new RequestHead(method, 'http', authority, path, '1.1', fields), true);
  }

  onLineFailed(reason: string): void {
    this.#fail(reason);
  }

  onInformational(): void {
    // Says nothing about the host.
  }

  onHead(head: ResponseHead, endStream: boolean): void {
    if (!this.#running) return;
    this.#head = head;
    if (endStream) this.#judge(head);
  }

  onData(chunk: Buffer, endStream: boolean): void {
    if (!this.#running) return;
    const left = this.#config.responseBufferBytes - this.#bytes;
    if (this.#config.receive.length > 0 && left > 0) {
      // Read buffers are lent for the time of this call.
      this.#chunks.push(Buffer.from(chunk.subarray(0, left)));
      this.#bytes += Math.min(left, chunk.length);
    }
    if (endStream) this.#judge(this.#head!);
  }

  onTrailers(): void {
    if (this.#running) this.#judge(this.#head!);
  }

  onReset(error: ProxyError): void {
    this.#fail(error.message);
  }

  onWriteBlocked(): void {
    // A head is all that is sent.
  }

  onWriteReady(): void {
    // See onWriteBlocked.
  }

  #fail(reason: string): void {
    if (!this.#running) return;
    this.#running = false;
    this.#owner.onProbeFailed('network', reason);
  }

  #nameMatches(fields: HeaderFields): boolean {
    if (this.#serviceName === null) return true;
    this.#owner.onNameChecked();
    return this.#serviceName(fields.get(checkedCluster) ?? '');
  }

  #judge({ status, fields }: ResponseHead): void {
    this.#running = false;
    if (!this.#reuse) this.#line.finish();
    const { expected, retriable, receive } = this.#config;
    if (!inRanges(status, expected)) {
      const excludes = fields.has('x-envoy-immediate-health-check-fail');
      this.#owner.onProbeFailed('active', `it answered ${status}`, inRanges(status, retriable), excludes);
    } else if (receive.length > 0 && !payloadMatches(Buffer.concat(this.#chunks), receive))
      this.#owner.onProbeFailed('active', `the body of its answer (${status}) is not the one expected`);
    else if (!this.#nameMatches(fields))
      this.#owner.onProbeFailed('active', `it is another service, by its ${checkedCluster}`);
    else this.#owner.onProbePassed(fields.has('x-envoy-degraded'));
  }
}

const checkedCluster = 'x-envoy-upstream-healthchecked-cluster';
const [contentLength] = HeaderFields.of(['content-length', '']).names as [HeaderFields['names'][number]];

function inRanges(status: number, ranges: readonly StatusRange[]): boolean {
  return ranges.some(([from, to]) => status >= from && status < to);
}
