/**
 * The client side of HTTP/1.1 on one connected socket: one request at a time, its response, then the next, as long as both ended where they should.
 * Bytes that no request asked for end the connection. How long it was idle is the pool's to measure; what the upstream says of it stands in `idleTimeoutHintMs`.
 */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner, ClientStream, ResponseReceiver } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import { type HttpLimits, maxInformationalHeads } from '../codec/limits.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import type { ProxyError } from '../codec/proxy-error.ts';
import { localEnd } from '../transport/end-text.ts';
import { loan, returnCount } from '../transport/read-loan.ts';
import { SocketWriter, type SocketWriterOwner } from '../transport/socket-writer.ts';
import { BodyDecoder, type BodyOwner } from './body-decoder.ts';
import { BodyWriter, framing } from './body-writer.ts';
import { Http1ClientStream } from './client-stream.ts';
import { HeadFault, responseFault } from './head-fault.ts';
import { faulty, HeadParser } from './head-parser.ts';
import { HeadReader } from './head-reader.ts';
import { InputPump, type InputSink } from './input-pump.ts';
import { RequestEncoder } from './request-encoder.ts';
import { type ResponseBody, responseBody } from './response-framing.ts';
import { TunnelBacklog } from './tunnel-backlog.ts';
import {
  brokenRequest,
  closedAfterStart,
  closedBeforeEnd,
  closedBeforeStart,
  closedUnsent,
  unsolicited,
  unsolicitedUnsent,
} from './upstream-errors.ts';

const idle = 0;
const readingHead = 1;
const readingBody = 2;
const tunnel = 3;
/** The response is whole; whether bytes stand behind it is not looked at yet. */
const finished = 4;
/** The response is whole, and the connection can't be used again. */
const spent = 5;
const closed = 6;

const emptyChunk = Buffer.alloc(0);
const tooManyInformational = new HeadFault(
  'http1.codec_error',
  `More than ${maxInformationalHeads} informational responses came for one request.`,
);
const encoder = new RequestEncoder();

export class Http1ClientConnection implements ClientConnection, BodyOwner, SocketWriterOwner, InputSink {
  readonly protocol = 'http1';
  /** Of the request in hand. For {@link Http1ClientStream} only, like the methods behind `destroy`. */
  currentStream: Http1ClientStream | null = null;
  /** `Keep-Alive: timeout=N` of the last response that had one, in milliseconds; 0: none yet. */
  idleTimeoutHintMs = 0;
  readonly #socket: Socket;
  readonly #owner: ClientConnectionOwner;
  readonly #writer: SocketWriter;
  readonly #body: BodyWriter;
  readonly #parser: HeadParser;
  readonly #heads: HeadReader;
  readonly #decoder: BodyDecoder;
  readonly #pump: InputPump;
  readonly #announceLater = (): void => this.#announce();
  #state = idle;
  #receiver: ResponseReceiver | null = null;
  #streams = 0;
  #draining = false;
  #drainingTold = false;
  #closeError: ProxyError | null = null;
  // Of the request in hand:
  #method = '';
  #upgrade = '';
  #headSent = false;
  #requestEnded = false;
  /** The writer's position when the request began. */
  #startPosition = 0;
  #keepAlive = true;
  /** Bytes for a tunnel that the upstream has not agreed to; null when there is none to wait for. */
  #backlog: TunnelBacklog | null = null;
  // Of its response:
  #responseBegun = false;
  #informationalHeads = 0;

  /** `socket` is connected (TLS done). Streams can be made at once: `onReady` is not called. For half-closed tunnels it was made with `allowHalfOpen`. */
  constructor(socket: Socket, owner: ClientConnectionOwner, limits: HttpLimits) {
    this.#socket = socket;
    this.#owner = owner;
    this.#writer = new SocketWriter(socket, this, limits.highWatermarkBytes, limits.lowWatermarkBytes);
    this.#body = new BodyWriter(this.#writer);
    this.#parser = new HeadParser(limits.maxFields);
    this.#heads = new HeadReader(this.#parser, limits.maxHeadBytes);
    this.#decoder = new BodyDecoder(this, this.#parser, limits.maxHeadBytes);
    socket.on('error', () => {
      // 'close' follows, and is where things end.
    });
    socket.on('close', () => this.#onSocketClose());
    this.#pump = new InputPump(socket, this);
  }

  get localEnd(): string {
    return localEnd(this.#socket);
  }

  get activeStreams(): number {
    return this.currentStream === null ? 0 : 1;
  }

  availableStreams(): number {
    return this.#state === idle && !this.#draining && !this.#pump.ended ? 1 : 0;
  }

  newStream(receiver: ResponseReceiver): ClientStream {
    if (this.availableStreams() === 0)
      throw new Error('No stream can begin on this HTTP/1 connection now: ask availableStreams() first.');
    const stream = new Http1ClientStream(this, ++this.#streams);
    this.currentStream = stream;
    this.#receiver = receiver;
    this.#state = readingHead;
    this.#headSent = false;
    this.#requestEnded = false;
    this.#keepAlive = true;
    this.#backlog = null;
    this.#responseBegun = false;
    this.#informationalHeads = 0;
    this.#startPosition = this.#writer.position;
    return stream;
  }

  drain(): void {
    this.#draining = true;
    if (this.#state === idle) this.#abort(null);
  }

  destroy(error: ProxyError): void {
    if (this.#state === closed) return;
    const receiver = this.#receiver;
    this.#abort(error);
    receiver?.onReset(error);
  }

  takeInput(bytes: Buffer, at: number): number {
    let next: number;
    switch (this.#state) {
      case readingHead:
        next = this.#readHead(bytes, at);
        if (loan.bytes !== null) returnCount(next - at);
        break;
      case readingBody:
        next = this.#decoder.decode(bytes, at);
        if (next === faulty) {
          this.#refuse(this.#decoder.fault!, true);
          return bytes.length;
        }
        if (loan.bytes !== null) returnCount(next - at - this.#decoder.passedBytes);
        break;
      case tunnel:
        this.#receiver!.onData(at === 0 ? bytes : bytes.subarray(at), false);
        return bytes.length;
      case closed:
        return bytes.length;
      default:
        this.#abort(unsolicited);
        return bytes.length;
    }
    if (this.currentStream === null) this.#settle(next < bytes.length);
    return next;
  }

  onInputEnd(): void {
    switch (this.#state) {
      case readingBody:
        if (this.#decoder.endsWithConnection) {
          this.onBodyData(emptyChunk, true);
          this.#settle(false);
        } else this.#terminate();
        return;
      case tunnel:
        this.#endTunnelInput();
        return;
      case readingHead:
        this.#terminate();
        return;
      default:
        this.#abort(null);
    }
  }

  onBodyData(chunk: Buffer, end: boolean): void {
    const receiver = this.#receiver!;
    if (end) this.#finish();
    receiver.onData(chunk, end);
  }

  onBodyTrailers(trailers: HeaderFields): void {
    const receiver = this.#receiver!;
    this.#finish();
    receiver.onTrailers(trailers);
  }

  onWriteBlocked(): void {
    const stream = this.currentStream;
    if (stream === null || stream.writeBlocked) return;
    stream.writeBlocked = true;
    this.#receiver!.onWriteBlocked();
  }

  onWriteReady(): void {
    const stream = this.currentStream;
    if (stream === null || !stream.writeBlocked || this.#backlog !== null) return;
    stream.writeBlocked = false;
    this.#receiver!.onWriteReady();
  }

  sendHead(head: RequestHead, endStream: boolean): void {
    if (this.#headSent) return;
    this.#headSent = true;
    this.#method = head.method;
    this.#upgrade = head.upgrade;
    const text = encoder.encode(head, endStream);
    const kind = encoder.framing;
    const { length } = encoder;
    if (encoder.close) this.#keepAlive = false;
    this.#body.start(text, kind, length);
    // The body of the request before may wait still.
    if (this.#writer.blocked) this.onWriteBlocked();
    if (kind === framing.tunnel) {
      this.#backlog = new TunnelBacklog();
      if (endStream) this.#backlog.ended = true;
    } else if (endStream) {
      if (kind === framing.counted && length > 0) {
        this.#breakOff();
        return;
      }
      if (kind === framing.chunked) this.#body.data(emptyChunk, true);
      this.#requestEnded = true;
    }
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (!this.#headSent || this.#requestEnded) return;
    if (this.#backlog !== null) {
      this.#backlog.add(chunk, endStream);
      // What comes before the upstream agreed to be a tunnel must not reach it: it could be taken for a request.
      this.onWriteBlocked();
      return;
    }
    if (!this.#body.data(chunk, endStream)) this.#breakOff();
    else if (endStream) this.#endRequest();
  }

  sendTrailers(trailers: HeaderFields): void {
    if (!this.#headSent || this.#requestEnded) return;
    if (this.#backlog !== null) this.#backlog.ended = true;
    else if (this.#body.trailers(trailers)) this.#endRequest();
    else this.#breakOff();
  }

  resetStream(error: ProxyError): void {
    if (this.#headSent) {
      this.#abort(error);
      return;
    }
    // Nothing of it was sent: the connection is as it was. The owner hears so after its call.
    this.#endStream();
    this.#state = finished;
    queueMicrotask(this.#announceLater);
  }

  pauseReading(): void {
    this.#pump.pause();
  }

  resumeReading(): void {
    this.#pump.resume();
  }

  #readHead(bytes: Buffer, at: number): number {
    if (!this.#responseBegun) {
      if (this.#nothingHandedOver()) {
        this.#reset(unsolicitedUnsent);
        return bytes.length;
      }
      this.#responseBegun = true;
    }
    const next = this.#heads.readResponse(bytes, at);
    if (next === faulty) {
      this.#refuse(this.#heads.fault!, false);
      return bytes.length;
    }
    if (this.#heads.complete) this.#beginResponse();
    return next;
  }

  #beginResponse(): void {
    const parser = this.#parser;
    const { facts, status, minor } = parser;
    const body = responseBody(parser, this.#method, this.#upgrade);
    if (typeof body === 'object') {
      this.#refuse(body, false);
      return;
    }
    const head = new ResponseHead(status, parser.fields, parser.reason, minor === 1 ? '1.1' : '1.0');
    if (body === 'informational') {
      if (++this.#informationalHeads > maxInformationalHeads) this.#refuse(tooManyInformational, false);
      else this.#receiver!.onInformational(head);
      return;
    }
    if (facts.keepAliveSeconds > 0) this.idleTimeoutHintMs = facts.keepAliveSeconds * 1000;
    if (facts.close || (minor === 0 && !facts.keepAlive) || body === 'until-close' || body === 'tunnel')
      this.#keepAlive = false;
    if (body === 'tunnel') {
      this.#startTunnel(head);
      return;
    }
    if (this.#backlog !== null) {
      // The tunnel is refused: the request was its head alone. Whether the upstream sees it so too is not known: nothing else goes this way.
      this.#backlog = null;
      this.#requestEnded = true;
      this.#keepAlive = false;
    }
    if (!this.#keepAlive) this.#tellDraining();
    const receiver = this.#receiver!;
    this.#startBody(body, facts.contentLength);
    receiver.onHead(head, body === 'none');
  }

  #startBody(body: ResponseBody, length: number): void {
    this.#state = readingBody;
    if (body === 'none') this.#finish();
    else if (body === 'chunked') this.#decoder.startChunked();
    else if (body === 'counted') this.#decoder.startCounted(length);
    else this.#decoder.startUntilClose();
  }

  #startTunnel(head: ResponseHead): void {
    const stream = this.currentStream!;
    const receiver = this.#receiver!;
    const backlog = this.#backlog!;
    this.#state = tunnel;
    this.#backlog = null;
    this.#tellDraining();
    receiver.onHead(head, false);
    for (const chunk of backlog.chunks) {
      if (this.currentStream !== stream) return;
      this.#body.data(chunk, false);
    }
    if (this.currentStream !== stream) return;
    if (backlog.ended) this.#endRequest();
    else if (!this.#writer.blocked) this.onWriteReady();
  }

  /** The response is whole: its stream is over, with whatever was not sent of the request. */
  #finish(): void {
    this.#state = this.#requestEnded && this.#keepAlive && !this.#draining && !this.#pump.ended ? finished : spent;
    this.#endStream();
  }

  /** After the last event of a response. `moreBytes` came in the same read as its end. */
  #settle(moreBytes: boolean): void {
    if (this.#state === finished && !moreBytes) {
      this.#announce();
    } else if (this.#state === finished || this.#state === spent) {
      this.#tellDraining();
      this.#abort(this.#state === finished ? unsolicited : null);
    }
  }

  #announce(): void {
    if (this.#state !== finished) return;
    this.#state = idle;
    if (this.#draining) this.#abort(null);
    else this.#owner.onStreamsAvailable();
  }

  #endRequest(): void {
    this.#requestEnded = true;
    if (this.#state !== tunnel) return;
    this.#writer.end();
    if (this.#pump.ended && !this.#pump.holding) this.#endTunnel();
  }

  #endTunnelInput(): void {
    const receiver = this.#receiver!;
    if (this.#requestEnded) this.#endTunnel();
    receiver.onData(emptyChunk, true);
  }

  /** Both ends are closed: the socket goes once everything is written. */
  #endTunnel(): void {
    this.#endStream();
    this.#state = closed;
    this.#pump.stop();
    this.#socket.destroySoon();
  }

  #endStream(): void {
    this.currentStream = null;
    this.#receiver = null;
    this.#backlog = null;
    this.#pump.clearPauses();
  }

  /** The connection ended in the middle of an exchange. */
  #terminate(): void {
    this.#reset(this.#termination());
  }

  #termination(): ProxyError {
    if (this.#state === readingBody || this.#state === tunnel) return closedAfterStart;
    if (this.#responseBegun) return closedBeforeEnd;
    return this.#nothingHandedOver() ? closedUnsent : closedBeforeStart;
  }

  /** Provably nothing of the request has left this process. */
  #nothingHandedOver(): boolean {
    return this.#writer.handedOverBytes <= this.#startPosition;
  }

  #refuse(fault: HeadFault, started: boolean): void {
    this.#reset(responseFault(fault, started));
  }

  #reset(error: ProxyError): void {
    const receiver = this.#receiver;
    this.#abort(error);
    receiver?.onReset(error);
  }

  /** The owner broke its own framing. It hears of it when the socket has closed, not from inside its call. */
  #breakOff(): void {
    this.#closeError ??= brokenRequest;
    this.#state = closed;
    this.#pump.stop();
    this.#socket.destroy();
  }

  #abort(error: ProxyError | null): void {
    this.#endStream();
    this.#state = closed;
    this.#closeError ??= error;
    this.#pump.stop();
    this.#socket.destroy();
  }

  #tellDraining(): void {
    if (this.#drainingTold) return;
    this.#drainingTold = true;
    this.#owner.onDraining();
  }

  #onSocketClose(): void {
    const receiver = this.#receiver;
    if (receiver !== null) {
      this.#closeError ??= this.#termination();
      this.#abort(this.#closeError);
      receiver.onReset(this.#closeError);
    }
    this.#state = closed;
    this.#pump.stop();
    this.#owner.onClose(this.#closeError);
  }
}
