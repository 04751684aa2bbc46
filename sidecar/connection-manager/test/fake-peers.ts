/**
 * Both neighbours of a stream, in memory: the caller's stream, and a cluster with the streams it hands out. They keep the codecs' promises (no event from inside a sender
 * call, none after the end) and check what they are told.
 */
import type { RunningBreaker } from '../../circuit-breaker/running-breaker.ts';
import type {
  Cluster,
  CountedAs,
  FallbackAnswer,
  Host,
  LoadBalancerContext,
  PendingStream,
  RetryEvent,
  StreamRequest,
  UpstreamTimeLimit,
} from '../../cluster/upstream.ts';
import type {
  ClientConnection,
  ClientStream,
  ResponseReceiver,
  ServerConnection,
  ServerStream,
} from '../../codec/codec.ts';
import type { HeaderFields } from '../../codec/header-fields.ts';
import type { RequestHead, ResponseHead } from '../../codec/message-head.ts';
import type { ProxyError } from '../../codec/proxy-error.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';

class FakeSender<Head> {
  readonly id = 1;
  readonly log: string[] = [];
  head: Head | null = null;
  body = '';
  trailers: HeaderFields | null = null;
  ended = false;
  resetBy: ProxyError | null = null;
  pauses = 0;

  get over(): boolean {
    return this.ended || this.resetBy !== null;
  }

  sendHead(head: Head, endStream: boolean): void {
    if (this.head !== null) throw new Error('a second head');
    if (this.over) throw new Error('a head after the end');
    this.head = head;
    this.ended = endStream;
    this.log.push(`head${endStream ? ' end' : ''}`);
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.head === null) throw new Error('data before the head');
    if (this.over) throw new Error('data after the end');
    this.body += chunk.toString('latin1');
    this.ended = endStream;
    this.log.push(`data ${chunk.length}${endStream ? ' end' : ''}`);
  }

  sendTrailers(trailers: HeaderFields): void {
    if (this.head === null) throw new Error('trailers before the head');
    if (this.over) throw new Error('trailers after the end');
    this.trailers = trailers;
    this.ended = true;
    this.log.push('trailers');
  }

  reset(error: ProxyError): void {
    if (this.resetBy !== null) throw new Error('a second reset');
    this.resetBy = error;
    this.log.push(`reset ${error.details}`);
  }

  pauseReading(): void {
    this.pauses++;
  }

  resumeReading(): void {
    if (this.pauses === 0) throw new Error('a resume without a pause');
    this.pauses--;
  }
}

export class FakeServerStream extends FakeSender<ResponseHead> implements ServerStream {
  readonly connection = null as unknown as ServerConnection;
  readonly informational: number[] = [];

  sendInformational(head: ResponseHead): void {
    this.informational.push(head.status);
  }
}

export class FakeClientStream extends FakeSender<RequestHead> implements ClientStream {
  readonly connection = null as unknown as ClientConnection;
  readonly receiver: ResponseReceiver;
  /** The fields as they were sent: the head may change for another attempt. */
  sentFields: Array<[string, string]> = [];

  constructor(receiver: ResponseReceiver) {
    super();
    this.receiver = receiver;
  }

  override sendHead(head: RequestHead, endStream: boolean): void {
    super.sendHead(head, endStream);
    this.sentFields = head.fields.pairs();
  }
}

interface Waiting {
  readonly request: StreamRequest;
  cancelled: boolean;
}

export class FakeCluster implements Cluster {
  config = { name: 'fake' } as ClusterConfig;
  breaker: RunningBreaker | null = null;
  readonly waiting: Waiting[] = [];
  readonly streams: FakeClientStream[] = [];
  readonly contexts: LoadBalancerContext[] = [];
  /** What the router reported: statuses. */
  readonly outcomes: number[] = [];
  /** How each of them was counted. */
  readonly counted: CountedAs[] = [];
  readonly ownAnswers: number[] = [];
  readonly retryEvents: RetryEvent[] = [];
  readonly fallbacks: FallbackAnswer[] = [];
  otherHosts = true;
  /** Of the whole request; of single tries. */
  timeouts = 0;
  tryTimeouts = 0;
  retryPlaces = 3;
  repeatPlaces = 10;
  /** Errors to fail the next requests with at once; then whether streams come at once. */
  readonly failNext: ProxyError[] = [];
  connectsAtOnce = true;
  reused = false;

  requestStream(request: StreamRequest, context: LoadBalancerContext): PendingStream | null {
    this.contexts.push(context);
    const error = this.failNext.shift();
    if (error !== undefined) {
      request.onStreamFailed(error, host(this.contexts.length));
      return null;
    }
    const waiting: Waiting = { request, cancelled: false };
    this.waiting.push(waiting);
    if (this.connectsAtOnce) {
      this.connect();
      return null;
    }
    return {
      cancel: () => {
        waiting.cancelled = true;
        this.waiting.splice(this.waiting.indexOf(waiting), 1);
      },
    };
  }

  /** Gives the first that waits its stream. */
  connect(): void {
    const { request } = this.waiting.shift()!;
    const stream = new FakeClientStream(request);
    this.streams.push(stream);
    request.onStreamReady(stream, host(this.streams.length), this.reused);
  }

  failWaiting(error: ProxyError): void {
    this.waiting.shift()!.request.onStreamFailed(error, host(9));
  }

  get last(): FakeClientStream {
    return this.streams.at(-1)!;
  }

  onResponse(_host: Host, status: number, _durationMs: number, counted: CountedAs = 'answer'): void {
    this.outcomes.push(status);
    this.counted.push(counted);
  }

  onOwnAnswer(status: number): void {
    this.ownAnswers.push(status);
  }

  onRetryEvent(event: RetryEvent): void {
    this.retryEvents.push(event);
  }

  onFallback(kind: FallbackAnswer): void {
    this.fallbacks.push(kind);
  }

  hasOtherHost(): boolean {
    return this.otherHosts;
  }

  onTimeout(_host: Host | null, kind: UpstreamTimeLimit): void {
    if (kind === 'route') this.timeouts++;
    else this.tryTimeouts++;
  }

  tryBeginRetry(): boolean {
    if (this.retryPlaces === 0) return false;
    this.retryPlaces--;
    return true;
  }

  endRetry(): void {
    this.retryPlaces++;
  }

  tryBeginRepeat(): boolean {
    if (this.repeatPlaces === 0) return false;
    this.repeatPlaces--;
    return true;
  }

  endRepeat(): void {
    this.repeatPlaces++;
  }
}

function host(number: number): Host {
  return { address: `10.0.0.${number}:80`, host: `10.0.0.${number}`, port: 80 };
}
