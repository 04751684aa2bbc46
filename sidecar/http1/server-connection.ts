/**
 * The server side of HTTP/1.1 on one connected socket: reads requests one after the other, hands each to its owner as a stream, and writes the
 * answers in order. The next request is not looked at before the answer to the one before is written. Refuses malformed requests by itself.
 */
import { type Socket } from 'node:net';
import type { RequestReceiver, ServerConnection, ServerConnectionOwner } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { HttpLimits } from '../codec/limits.ts';
import type { ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { type TimerTarget, type TimerWheel, WheelTimer } from '../runtime/timer-wheel.ts';
import { LingeringClose } from '../transport/lingering-close.ts';
import { loan, returnCount } from '../transport/read-loan.ts';
import { SocketWriter, type SocketWriterOwner } from '../transport/socket-writer.ts';
import { BodyDecoder, type BodyOwner } from './body-decoder.ts';
import { BodyWriter, framing } from './body-writer.ts';
import { defaultHeadTimeoutMs, type Http1ServerOptions } from './connection-options.ts';
import { errorReply } from './error-reply.ts';
import { HeadFault, requestFault } from './head-fault.ts';
import { faulty, HeadParser } from './head-parser.ts';
import { HeadReader } from './head-reader.ts';
import { hold, InputPump, type InputSink } from './input-pump.ts';
import { requestHeadOf } from './request-target.ts';
import { encodeInformational, ResponseEncoder } from './response-encoder.ts';
import { Http1ServerStream } from './server-stream.ts';

/** Between requests, or in a request's head. */
const readingHead = 0;
const readingBody = 1;
/** The request is complete, its answer is not. */
const answering = 2;
/** An upgrade or CONNECT was asked for: what comes next is held until the answer says whose bytes they are. */
const deciding = 3;
const tunnel = 4;
/** The last answer is written; input is dropped until the client closes. */
const closing = 5;
const closed = 6;

/** A client may send on for long without reading: a body that was refused. */
const lingerOptions = { inputIsProgress: false, faulty: false };
const emptyChunk = Buffer.alloc(0);
const encoder = new ResponseEncoder();

const clientGone = new ProxyError({
  flag: 'DC',
  source: 'downstream',
  details: 'downstream_remote_disconnect',
  message: 'The client closed the connection before its request was answered.',
});
const tookTooLong = new HeadFault('request_header_timeout', 'The head of the request did not come in time.', 408);
const http10Refused = new HeadFault('low_version', 'HTTP/1.0 is not accepted here.', 426);
const brokenAnswer = new ProxyError({
  flag: 'LR',
  source: 'local',
  details: 'http1.response_framing_mismatch',
  message: 'The response does not match the framing that its head announced; the connection was cut.',
});

export class Http1ServerConnection implements ServerConnection, BodyOwner, SocketWriterOwner, InputSink, TimerTarget {
  readonly protocol = 'http1';
  /** Of the request in hand. For {@link Http1ServerStream} only, like the methods behind `drain` and `destroy`. */
  currentStream: Http1ServerStream | null = null;
  readonly #socket: Socket;
  readonly #owner: ServerConnectionOwner;
  readonly #scheme: string;
  readonly #wheel: TimerWheel;
  readonly #writer: SocketWriter;
  readonly #body: BodyWriter;
  readonly #parser: HeadParser;
  readonly #heads: HeadReader;
  readonly #decoder: BodyDecoder;
  readonly #pump: InputPump;
  readonly #headTimeoutMs: number;
  readonly #acceptHttp10: boolean;
  #headTimer: WheelTimer | null = null;
  #linger: LingeringClose | null = null;
  #state = readingHead;
  #receiver: RequestReceiver | null = null;
  #requests = 0;
  #headSent = false;
  #draining = false;
  /** Our end of a tunnel is closed. */
  #tunnelOutEnded = false;
  #closeError: ProxyError | null = null;
  /** What the request in hand allows its answer to be. */
  readonly #context = {
    minor: 1,
    headRequest: false,
    tunnel: false,
    upgrade: '',
    keepAlive: true,
    tellKeepAlive: false,
  };
  /** The request in hand is CONNECT. */
  #connect = false;
  /** It asked for a tunnel and got none. */
  #tunnelRefused = false;

  /** `socket` is connected (TLS done) and was made with `allowHalfOpen`. */
  constructor(socket: Socket, owner: ServerConnectionOwner, limits: HttpLimits, options: Http1ServerOptions) {
    this.#socket = socket;
    this.#owner = owner;
    this.#scheme = options.scheme;
    this.#wheel = options.wheel;
    this.#headTimeoutMs = options.headTimeoutMs ?? defaultHeadTimeoutMs;
    this.#acceptHttp10 = options.acceptHttp10;
    this.#writer = new SocketWriter(socket, this, limits.highWatermarkBytes, limits.lowWatermarkBytes);
    this.#body = new BodyWriter(this.#writer);
    this.#parser = new HeadParser(limits.maxFields);
    this.#heads = new HeadReader(this.#parser, limits.maxHeadBytes);
    this.#decoder = new BodyDecoder(this, this.#parser, limits.maxHeadBytes);
    socket.on('error', () => {
      this.#closeError ??= clientGone;
    });
    socket.on('close', () => this.#onSocketClose());
    this.#pump = new InputPump(socket, this);
    if (options.firstBytes !== null) this.#pump.prepend(options.firstBytes);
  }

  get activeStreams(): number {
    return this.currentStream === null ? 0 : 1;
  }

  /** No request is in hand and no part of one has come: it may be closed without loss. */
  get #idle(): boolean {
    return this.#state === readingHead && !this.#heads.partial && !this.#pump.holding;
  }

  /** An idle connection stays until its next answer, or {@link closeIfIdle}: a request may be on its way to it. */
  drain(): void {
    this.#draining = true;
    // A client that was told it may go on is told with its next answer.
    if (this.currentStream !== null && !this.#headSent) this.#context.keepAlive = false;
  }

  /** Ends the connection unless something of a request has come. */
  closeIfIdle(): void {
    if (this.#idle) this.#close();
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
        // A client that asks on without reading the answers waits until it has read some.
        if (this.#writer.blocked) return hold;
        next = this.#readHead(bytes, at);
        if (loan.bytes !== null) returnCount(next - at);
        return next;
      case readingBody:
        next = this.#decoder.decode(bytes, at);
        if (next === faulty) {
          this.#refuseBody(requestFault(this.#decoder.fault!));
          return bytes.length;
        }
        if (loan.bytes !== null) returnCount(next - at - this.#decoder.passedBytes);
        return next;
      case tunnel:
        this.#receiver!.onData(at === 0 ? bytes : bytes.subarray(at), false);
        return bytes.length;
      case closing:
        this.#linger!.onDropped(bytes.length - at);
        return bytes.length;
      default:
        return hold;
    }
  }

  onInputEnd(): void {
    switch (this.#state) {
      case readingHead:
        this.#close();
        return;
      case readingBody: {
        const receiver = this.#receiver!;
        this.#abort(clientGone);
        receiver.onReset(clientGone);
        return;
      }
      case tunnel:
        this.#endTunnelInput();
        return;
      default:
        // A request that came whole is answered, however much of the connection the client has closed.
        this.#context.keepAlive = false;
    }
  }

  onBodyData(chunk: Buffer, end: boolean): void {
    if (end) this.#state = answering;
    this.#receiver!.onData(chunk, end);
  }

  onBodyTrailers(trailers: HeaderFields): void {
    this.#state = answering;
    this.#receiver!.onTrailers(trailers);
  }

  onWriteBlocked(): void {
    const stream = this.currentStream;
    if (stream === null || stream.writeBlocked) return;
    stream.writeBlocked = true;
    this.#receiver!.onWriteBlocked();
  }

  onWriteReady(): void {
    const stream = this.currentStream;
    if (stream !== null && stream.writeBlocked) {
      stream.writeBlocked = false;
      this.#receiver!.onWriteReady();
    }
    if (this.#state === readingHead) this.#pump.retry();
  }

  /** The head did not come in time. */
  onTimer(): void {
    if (this.#state === readingHead && this.#heads.partial) this.#refuseHead(tookTooLong);
  }

  sendInformational(head: ResponseHead): void {
    // HTTP/1.0 knows no 1xx (RFC 9110 15.2).
    if (this.#headSent || this.#context.minor === 0) return;
    // A request begins only while the client reads: what waits are heads like this one.
    if (this.#writer.full) return;
    this.#body.writeText(encodeInformational(head));
  }

  sendHead(head: ResponseHead, endStream: boolean): void {
    if (this.#headSent) return;
    this.#headSent = true;
    const context = this.#context;
    if (this.#state === deciding) this.#decide(head.status);
    if (head.status < 200 && !context.tunnel) {
      this.#breakOff();
      return;
    }
    // An answer that begins before its request has ended may end before it too, and leave the rest in the way of the next one; the client is told now (Envoy).
    if (this.#state === readingBody) context.keepAlive = false;
    const text = encoder.encode(head, endStream, context);
    if (encoder.close) context.keepAlive = false;
    const { length } = encoder;
    const kind = encoder.framing;
    this.#body.start(text, kind, length);
    if (kind === framing.tunnel) {
      this.#startTunnel(endStream);
    } else if (endStream) {
      if (kind === framing.counted && length > 0) this.#breakOff();
      else {
        if (kind === framing.chunked) this.#body.data(emptyChunk, true);
        this.#endResponse();
      }
    }
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (!this.#headSent || this.#tunnelOutEnded) return;
    if (!this.#body.data(chunk, endStream)) this.#breakOff();
    else if (endStream) this.#endResponse();
  }

  sendTrailers(trailers: HeaderFields): void {
    if (!this.#headSent || this.#tunnelOutEnded) return;
    if (this.#body.trailers(trailers)) this.#endResponse();
    else this.#breakOff();
  }

  resetStream(error: ProxyError): void {
    this.#abort(error);
  }

  pauseReading(): void {
    this.#pump.pause();
  }

  resumeReading(): void {
    this.#pump.resume();
  }

  #readHead(bytes: Buffer, at: number): number {
    const next = this.#heads.readRequest(bytes, at);
    if (next === faulty) {
      this.#refuseHead(this.#heads.fault!);
      return bytes.length;
    }
    if (this.#heads.complete) {
      if (this.#headTimer !== null) this.#wheel.disarm(this.#headTimer);
      this.#beginRequest();
    } else if (this.#heads.partial && this.#headTimeoutMs > 0) {
      this.#headTimer ??= new WheelTimer(this);
      if (!this.#headTimer.armed) this.#wheel.arm(this.#headTimer, this.#headTimeoutMs);
    }
    return next;
  }

  #beginRequest(): void {
    const parser = this.#parser;
    const head = requestHeadOf(parser, this.#scheme);
    if (head instanceof HeadFault) {
      this.#refuseHead(head);
      return;
    }
    const { facts, minor } = parser;
    if (minor === 0 && !this.#acceptHttp10) {
      this.#refuseHead(http10Refused);
      return;
    }
    const { chunked, contentLength } = facts;
    const context = this.#context;
    const asked = minor === 1 || facts.keepAlive;
    context.minor = minor;
    context.headRequest = head.method === 'HEAD';
    context.tunnel = false;
    context.upgrade = head.upgrade;
    context.keepAlive = asked && !facts.close && !this.#draining;
    context.tellKeepAlive = minor === 0;
    this.#connect = head.method === 'CONNECT';
    this.#headSent = false;
    this.#tunnelRefused = false;
    const stream = new Http1ServerStream(this, ++this.#requests);
    this.currentStream = stream;
    const open = this.#connect || head.upgrade !== '';
    if (open) this.#state = deciding;
    else if (chunked) {
      this.#decoder.startChunked();
      this.#state = readingBody;
    } else if (contentLength > 0) {
      this.#decoder.startCounted(contentLength);
      this.#state = readingBody;
    } else this.#state = answering;
    const end = this.#state === answering;
    const receiver = this.#owner.onStream(stream);
    if (this.currentStream !== stream) return;
    this.#receiver = receiver;
    receiver.onHead(head, end);
  }

  /** The answer to an upgrade or CONNECT is known. */
  #decide(status: number): void {
    const context = this.#context;
    if (this.#connect ? status >= 200 && status < 300 : status === 101) {
      context.tunnel = true;
      return;
    }
    this.#state = answering;
    // Bytes behind a refused request may have been meant for the tunnel. With CONNECT they may still be on their way.
    this.#tunnelRefused = true;
    if (this.#connect || this.#pump.holding) context.keepAlive = false;
  }

  #startTunnel(endStream: boolean): void {
    this.#state = tunnel;
    this.#tunnelOutEnded = false;
    if (endStream) this.#endTunnelOutput();
    if (this.#pump.holding) this.#pump.retry();
    // The client's FIN came before the answer: it is the end of the tunnel's input, to be told after this call.
    else if (this.#pump.ended) queueMicrotask(() => this.onInputEnd());
  }

  #endResponse(): void {
    if (this.#state === tunnel) {
      this.#endTunnelOutput();
      return;
    }
    const atBoundary = this.#state === answering && !(this.#tunnelRefused && this.#pump.holding);
    this.#endStream();
    if (!atBoundary || !this.#context.keepAlive) {
      this.#close();
      return;
    }
    this.#state = readingHead;
    if (this.#pump.holding) this.#pump.retry();
  }

  #endTunnelOutput(): void {
    this.#tunnelOutEnded = true;
    this.#writer.end();
    if (this.#pump.ended && !this.#pump.holding) this.#endTunnel();
  }

  #endTunnelInput(): void {
    const receiver = this.#receiver!;
    if (this.#tunnelOutEnded) this.#endTunnel();
    receiver.onData(emptyChunk, true);
  }

  #endTunnel(): void {
    this.#endStream();
    this.#close();
  }

  /** The request in hand is over: its handle does nothing from now on. */
  #endStream(): void {
    this.currentStream = null;
    this.#receiver = null;
    this.#pump.clearPauses();
  }

  #refuseHead(fault: HeadFault): void {
    const error = requestFault(fault);
    this.#body.writeText(errorReply(error));
    this.#close();
    this.#owner.onCodecError(error);
  }

  /** The body of the request in hand is malformed. */
  #refuseBody(error: ProxyError): void {
    const receiver = this.#receiver!;
    if (this.#headSent) {
      this.#abort(error);
    } else {
      this.#endStream();
      this.#body.writeText(errorReply(error));
      this.#closeError = error;
      this.#close();
    }
    receiver.onReset(error);
  }

  /** The owner broke its own framing. It hears of it when the socket has closed, not from inside its call. */
  #breakOff(): void {
    this.#closeError ??= brokenAnswer;
    this.#state = closed;
    this.#pump.stop();
    this.#cut();
  }

  /** Ends the connection in order: everything written goes out first. */
  #close(): void {
    if (this.#state >= closing) return;
    this.#state = closing;
    if (this.#headTimer !== null) this.#wheel.disarm(this.#headTimer);
    this.#linger = new LingeringClose(this.#socket, this.#writer, this.#wheel, lingerOptions);
    this.#pump.retry();
  }

  /** Ends the connection now, so that the client sees that its answer is cut. */
  #abort(error: ProxyError): void {
    this.#endStream();
    this.#state = closed;
    this.#closeError ??= error;
    this.#pump.stop();
    this.#cut();
  }

  #cut(): void {
    this.#writer.flush();
    // A body that ends with the connection would look complete after FIN. TLS tells by the missing close_notify.
    if (this.#body.framing === framing.untilClose && this.#scheme === 'http' && this.#headSent)
      this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #onSocketClose(): void {
    this.#state = closed;
    this.#pump.stop();
    this.#linger?.stop();
    if (this.#headTimer !== null) this.#wheel.disarm(this.#headTimer);
    const receiver = this.#receiver;
    if (receiver !== null) {
      this.#closeError ??= clientGone;
      this.#endStream();
      receiver.onReset(this.#closeError);
    }
    this.#owner.onClose(this.#closeError);
  }
}
