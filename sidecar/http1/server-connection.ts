/**
 * The downstream side of HTTP/1: requests in, responses out, one at a time and in order. Pipelined requests wait in a bounded buffer until the response
 * before them is finished. A connection is used again only when both messages ended at their boundary.
 *
 *   head ──onHead──▶ body ──end──▶ waiting (for the response) ──response done──▶ head …
 *     │                                    ▲
 *     └── no body ─────────────────────────┘        upgrade / CONNECT: waiting ──101 / 2xx──▶ tunnel
 */
import type { Socket } from 'node:net';
import type { RequestReceiver, ServerConnection, ServerConnectionOwner, ServerStream } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { HttpLimits } from '../codec/limits.ts';
import { RequestHead, type ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { SocketWriter, type SocketWriterOwner } from '../transport/socket-writer.ts';
import { BodyDecoder, type BodyOwner } from './body-decoder.ts';
import { HeadFault, lineEnd, type ParsedFields, parseFields, parseRequestLine } from './head-parser.ts';
import { fieldLines, type Framing, statusLine } from './head-writer.ts';
import { MessageEncoder } from './message-encoder.ts';
import { reasonPhrase } from './reason-phrase.ts';

type InputState = 'head' | 'body' | 'waiting' | 'tunnel' | 'discard';

/** Pipelined bytes kept while a response is under way; beyond it the socket is not read. */
const maxWaitingBytes = 16 * 1024;
/** How long input is read and dropped after the last response, so that the peer sees it instead of a reset. */
const lingerMs = 1_000;

export interface Http1ServerOptions {
  readonly scheme: 'http' | 'https';
  /** HTTP/1.0 requests are taken. */
  readonly acceptHttp10: boolean;
  /** Bytes that were read to find out the protocol. */
  readonly firstBytes: Buffer | null;
}

export class Http1ServerConnection implements ServerConnection, BodyOwner, SocketWriterOwner {
  readonly protocol = 'http1';
  readonly socket: Socket;
  readonly writer: SocketWriter;
  readonly #owner: ServerConnectionOwner;
  readonly #limits: HttpLimits;
  readonly #options: Http1ServerOptions;
  readonly #body: BodyDecoder;
  #state: InputState = 'head';
  #stream: Http1ServerStream | null = null;
  #receiver: RequestReceiver | null = null;
  /** Bytes read and not yet understood: part of a head, or pipelined requests. */
  #input: Buffer | null = null;
  /** How far #input was searched for the end of the head. */
  #searched = 0;
  #requests = 0;
  #draining = false;
  #closed = false;
  /** The peer sent FIN. */
  #inputEnded = false;
  #pauses = 0;
  #waitingPause = false;
  #processing = false;
  #lastHead = '';
  #lastRequest: RequestHead | null = null;
  #lastParsed: ParsedFields | null = null;

  constructor(socket: Socket, owner: ServerConnectionOwner, limits: HttpLimits, options: Http1ServerOptions) {
    this.socket = socket;
    this.#owner = owner;
    this.#limits = limits;
    this.#options = options;
    this.writer = new SocketWriter(socket, this, limits.highWatermarkBytes, limits.lowWatermarkBytes);
    this.#body = new BodyDecoder(this, limits.maxHeadBytes, limits.maxFields);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onInputEnd());
    socket.on('error', () => {
      // 'close' follows and is where things end.
    });
    socket.on('close', () => this.#onSocketClose());
    if (options.firstBytes !== null && options.firstBytes.length > 0) this.#onData(options.firstBytes);
  }

  get activeStreams(): number {
    return this.#stream === null ? 0 : 1;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** No request is under way and no part of one has come: it may be closed without loss. */
  get idle(): boolean {
    return this.#stream === null && (this.#input === null || this.#input.length === 0);
  }

  drain(): void {
    this.#draining = true;
    if (this.idle) this.#linger();
  }

  destroy(error: ProxyError): void {
    this.#fail(error);
    this.socket.destroy();
  }

  // -- input --

  #onData(chunk: Buffer): void {
    if (this.#state === 'discard' || this.#closed) return;
    if (this.#input !== null && this.#input.length > 0) this.#input = Buffer.concat([this.#input, chunk]);
    else this.#input = chunk;
    this.#process();
  }

  /** Takes from #input what the state allows. */
  #process(): void {
    if (this.#processing) return;
    this.#processing = true;
    try {
      while (this.#input !== null && this.#input.length > 0 && this.#step(this.#input)) {
        // Goes on until more bytes or a response are needed.
      }
    } catch (fault) {
      if (!(fault instanceof HeadFault)) throw fault;
      this.#refuse(fault);
    } finally {
      this.#processing = false;
    }
  }

  /** One step; false when it cannot go on. */
  #step(input: Buffer): boolean {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(input);
      case 'body': {
        this.#input = null;
        const taken = this.#body.decode(input, 0);
        if (taken < input.length && this.#input === null) this.#input = input.subarray(taken);
        return true;
      }
      case 'tunnel':
        this.#input = null;
        this.#receiver?.onData(input, false);
        return false;
      case 'waiting':
        if (input.length > maxWaitingBytes && !this.#waitingPause) {
          this.#waitingPause = true;
          this.pauseReading();
        }
        return false;
      case 'discard':
        this.#input = null;
        return false;
    }
  }

  #takeHead(input: Buffer): boolean {
    // RFC 9112 2.2: an empty line before a request is ignored; only whole CRLFs are.
    let start = 0;
    while (start + 1 < input.length && input[start] === 13 && input[start + 1] === 10) start += 2;
    const end = input.indexOf('\r\n\r\n', Math.max(start, this.#searched - 3), 'latin1');
    if (end < 0) {
      if (input.length - start > this.#limits.maxHeadBytes) throw headTooLarge(this.#limits.maxHeadBytes);
      checkPartialHead(input, Math.max(start, this.#searched));
      this.#searched = input.length;
      return false;
    }
    this.#searched = 0;
    if (end - start + 4 > this.#limits.maxHeadBytes) throw headTooLarge(this.#limits.maxHeadBytes);
    const text = input.toString('latin1', start, end + 2);
    this.#input = end + 4 < input.length ? input.subarray(end + 4) : null;
    this.#beginRequest(text);
    return true;
  }

  #beginRequest(text: string): void {
    // Clients repeat themselves: a head that equals the one before is copied instead of parsed.
    if (text !== this.#lastHead || this.#lastRequest === null) {
      this.#parseHead(text);
      this.#lastHead = text;
    }
    const parsed = this.#lastParsed!;
    const kept = this.#lastRequest!;
    const head = new RequestHead(kept.method, kept.scheme, kept.authority, kept.path, kept.version, kept.fields.clone(), kept.upgrade, kept.absoluteForm);
    const tunnel = head.upgrade !== '' || head.method === 'CONNECT';
    const http11 = head.version === '1.1';
    const stream = new Http1ServerStream(this, ++this.#requests, head.method, http11 ? 1 : 0, http11 ? !parsed.close : parsed.keepAlive && !parsed.close);
    this.#stream = stream;
    this.#receiver = this.#owner.onStream(stream);
    let endStream = false;
    if (tunnel) {
      this.#state = 'waiting';
    } else if (parsed.chunked) {
      this.#body.startChunked();
      this.#state = 'body';
    } else if (parsed.contentLength > 0) {
      this.#body.startCounted(parsed.contentLength);
      this.#state = 'body';
    } else {
      this.#state = 'waiting';
      endStream = true;
      stream.requestComplete = true;
    }
    this.#receiver.onHead(head, endStream);
  }

  #parseHead(text: string): void {
    const lineAt = lineEnd(text, 0);
    const line = parseRequestLine(text, lineAt);
    const parsed = parseFields(text, lineAt + 2, this.#limits.maxFields);
    if (line.minor === 0 && !this.#options.acceptHttp10) throw new HeadFault('low_version', 'HTTP/1.0 is not taken here.', 426);
    if (line.minor === 0 && parsed.chunked) throw new HeadFault('http1.transfer_encoding_not_allowed', 'An HTTP/1.0 request has Transfer-Encoding (RFC 9112 6.1).');
    if (parsed.chunked && line.method === 'CONNECT') throw new HeadFault('http1.codec_error', 'CONNECT has Transfer-Encoding (RFC 9110 9.3.6).');
    if (parsed.contentLength > 0 && line.method === 'CONNECT') throw new HeadFault('http1.body_disallowed', 'CONNECT has a body (RFC 9110 9.3.6).');
    if (line.minor === 1 && parsed.host === null) throw new HeadFault('missing_host_header', 'The request has no Host (RFC 9112 3.2).');
    const target = requestTarget(line.method, line.target, parsed.host ?? '', this.#options.scheme);
    // Upgrade with a body cannot be told apart from early tunnel bytes; HTTP/1.0 has no Upgrade (RFC 9110 7.8).
    const upgrade = line.minor === 1 && !parsed.chunked && parsed.contentLength <= 0 ? parsed.upgrade : '';
    const version = line.minor === 1 ? '1.1' : '1.0';
    this.#lastParsed = parsed;
    this.#lastRequest = new RequestHead(line.method, target.scheme, target.authority, target.path, version, parsed.fields, upgrade, target.absoluteForm);
  }

  onBodyData(chunk: Buffer, end: boolean): void {
    if (end) this.#requestEnded();
    this.#receiver?.onData(chunk, end);
  }

  onBodyTrailers(trailers: HeaderFields): void {
    this.#requestEnded();
    this.#receiver?.onTrailers(trailers);
  }

  #requestEnded(): void {
    this.#state = 'waiting';
    if (this.#stream !== null) this.#stream.requestComplete = true;
  }

  #onInputEnd(): void {
    this.#inputEnded = true;
    if (this.#state === 'tunnel') {
      this.#stream!.requestComplete = true;
      this.#receiver?.onData(emptyBuffer, true);
    } else if (this.#state === 'body') {
      this.#fail(downstreamGone);
      this.socket.destroy();
    } else if (this.#stream === null) {
      this.writer.end();
    } else if (this.#stream.method === 'CONNECT' || !this.#stream.requestComplete) {
      this.#fail(downstreamGone);
      this.socket.destroy();
    }
    // A client that sent a whole request and FIN still gets its answer (half-close).
  }

  #onSocketClose(): void {
    if (this.#closed) return;
    this.#fail(downstreamGone);
  }

  /** Ends the stream, if any, and the connection's life towards its owner. Once. */
  #fail(error: ProxyError): void {
    if (this.#closed) return;
    this.#closed = true;
    const stream = this.#stream;
    const receiver = this.#receiver;
    this.#stream = null;
    this.#receiver = null;
    if (stream !== null && !stream.ended) {
      stream.ended = true;
      receiver?.onReset(error);
    }
    this.#owner.onClose(error === downstreamGone && stream === null ? null : error);
  }

  /** A framing fault: in a body it resets the stream; in a head it is answered here, because there is no stream. */
  #refuse(fault: HeadFault): void {
    const error = new ProxyError({ flag: 'DPE', source: 'downstream', details: fault.details, message: fault.message, status: fault.status, http2Code: 1 });
    const stream = this.#stream;
    if (stream !== null) {
      const receiver = this.#receiver;
      this.#state = 'discard';
      this.#receiver = null;
      this.#input = null;
      stream.keepAlive = false;
      if (stream.ended) return;
      // The stream may still answer (400) if nothing of a response was sent.
      stream.requestBroken = true;
      receiver?.onReset(error);
      if (!stream.ended) {
        if (stream.headSent) this.destroy(error);
        else this.#refuseHead(error);
      }
      return;
    }
    this.#owner.onCodecError(error);
    this.#refuseHead(error);
  }

  #refuseHead(error: ProxyError): void {
    if (this.#stream !== null) this.#stream.ended = true;
    this.#stream = null;
    this.#receiver = null;
    const body = `${error.message} [${error.flag} ${error.details}]\n`;
    this.writer.writeLatin1(
      `HTTP/1.1 ${error.status} ${reasonPhrase(error.status)}\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\nserver: outrigger\r\nconnection: close\r\n\r\n${body}`,
    );
    this.#linger();
  }

  // -- output, called by the stream --

  /** @internal The response's head. */
  sendResponseHead(stream: Http1ServerStream, head: ResponseHead, endStream: boolean): void {
    const { status } = head;
    const tunnel = status === 101 || (stream.method === 'CONNECT' && status >= 200 && status < 300);
    const bodyless = stream.method === 'HEAD' || status === 204 || status === 304;
    let framing: Framing;
    if (tunnel) {
      framing = 'none';
      stream.encoder.start('raw', 0);
    } else if (bodyless) {
      framing = 'as-in-fields';
      stream.encoder.start('none', 0);
    } else {
      const length = head.fields.get('content-length');
      if (length !== undefined) {
        framing = 'as-in-fields';
        stream.encoder.start('counted', Number(length));
      } else if (endStream) {
        framing = 'zero-length';
        stream.encoder.start('none', 0);
      } else if (stream.minor === 1) {
        framing = 'chunked';
        stream.encoder.start('chunked', 0);
      } else {
        framing = 'none';
        stream.encoder.start('raw', 0);
        stream.keepAlive = false;
      }
    }
    if (this.#draining || this.#inputEnded || (endStream && !stream.requestComplete && !tunnel)) stream.keepAlive = false;
    let connection = '';
    if (status === 101) connection = 'upgrade';
    else if (tunnel) connection = '';
    else if (!stream.keepAlive) connection = 'close';
    else if (stream.minor === 0) connection = 'keep-alive';
    this.writer.writeLatin1(statusLine(stream.minor, status, head.reason) + fieldLines(head.fields, framing, null, connection));
    if (tunnel) this.#startTunnel(stream);
  }

  #startTunnel(stream: Http1ServerStream): void {
    stream.tunnel = true;
    stream.keepAlive = false;
    this.#state = 'tunnel';
    this.#releaseWaiting();
    if (this.#input !== null) setImmediate(() => this.#process());
    if (this.#inputEnded) {
      stream.requestComplete = true;
      setImmediate(() => this.#receiver?.onData(emptyBuffer, true));
    }
  }

  /** @internal The response is finished. */
  responseEnded(stream: Http1ServerStream): void {
    stream.ended = true;
    if (this.#stream !== stream) return;
    const reusable = stream.keepAlive && stream.requestComplete && stream.encoder.complete && !this.#inputEnded;
    if (stream.tunnel && !stream.requestComplete) {
      // Half-close: the upstream is done, the client may still send.
      stream.ended = false;
      this.writer.end();
      stream.responseDone = true;
      return;
    }
    this.#stream = null;
    this.#receiver = null;
    if (this.#closed) return;
    if (!stream.encoder.complete) {
      this.destroy(truncated);
      return;
    }
    if (!reusable) {
      this.#linger();
      return;
    }
    this.#state = 'head';
    this.#releaseWaiting();
    // Not from inside the owner's call: events must not come out of a sender method.
    if (this.#input !== null && this.#input.length > 0) setImmediate(() => this.#process());
    else if (this.#draining) this.#linger();
  }

  /** @internal The owner gave the stream up. */
  resetStream(stream: Http1ServerStream): void {
    stream.ended = true;
    if (this.#stream !== stream) return;
    this.#stream = null;
    this.#receiver = null;
    this.socket.destroy();
  }

  /** Sends FIN after what is written, and drops what the peer still sends, for a bounded time. */
  #linger(): void {
    if (this.#state === 'discard' && this.socket.writableEnded) return;
    this.#state = 'discard';
    this.#input = null;
    this.writer.end();
    if (this.#pauses > 0) {
      this.#pauses = 0;
      this.socket.resume();
    }
    if (this.#inputEnded) return;
    const timer = setTimeout(() => this.socket.destroy(), lingerMs);
    timer.unref();
    this.socket.once('end', () => clearTimeout(timer));
    this.socket.once('close', () => clearTimeout(timer));
  }

  onWriteBlocked(): void {
    this.#receiver?.onWriteBlocked();
  }

  onWriteReady(): void {
    this.#receiver?.onWriteReady();
  }

  #releaseWaiting(): void {
    if (!this.#waitingPause) return;
    this.#waitingPause = false;
    this.resumeReading();
  }

  /** @internal */
  pauseReading(): void {
    if (this.#pauses++ === 0) this.socket.pause();
  }

  /** @internal */
  resumeReading(): void {
    if (this.#pauses > 0 && --this.#pauses === 0) this.socket.resume();
  }
}

export class Http1ServerStream implements ServerStream {
  readonly connection: Http1ServerConnection;
  readonly id: number;
  readonly method: string;
  readonly minor: number;
  readonly encoder: MessageEncoder;
  keepAlive: boolean;
  requestComplete = false;
  requestBroken = false;
  headSent = false;
  tunnel = false;
  responseDone = false;
  ended = false;
  /** Pauses that this stream holds, given back when it ends. */
  #pauses = 0;

  constructor(connection: Http1ServerConnection, id: number, method: string, minor: number, keepAlive: boolean) {
    this.connection = connection;
    this.id = id;
    this.method = method;
    this.minor = minor;
    this.keepAlive = keepAlive;
    this.encoder = new MessageEncoder(connection.writer);
  }

  sendInformational(head: ResponseHead): void {
    // HTTP/1.0 clients know no 1xx (RFC 9110 15.2).
    if (this.ended || this.headSent || this.minor === 0) return;
    this.connection.writer.writeLatin1(statusLine(1, head.status, head.reason) + fieldLines(head.fields, 'none', null, ''));
  }

  sendHead(head: ResponseHead, endStream: boolean): void {
    if (this.ended || this.headSent) return;
    this.headSent = true;
    this.connection.sendResponseHead(this, head, endStream);
    if (endStream) this.#end();
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.ended || this.responseDone) return;
    if (!this.encoder.data(chunk) && this.encoder.framing !== 'none') {
      this.connection.destroy(tooLong);
      return;
    }
    if (endStream) {
      this.encoder.end(null);
      this.#end();
    }
  }

  sendTrailers(trailers: HeaderFields): void {
    if (this.ended || this.responseDone) return;
    this.encoder.end(trailers);
    this.#end();
  }

  reset(_error: ProxyError): void {
    if (this.ended) return;
    this.#releasePauses();
    this.connection.resetStream(this);
  }

  pauseReading(): void {
    if (this.ended) return;
    this.#pauses++;
    this.connection.pauseReading();
  }

  resumeReading(): void {
    if (this.#pauses === 0) return;
    this.#pauses--;
    this.connection.resumeReading();
  }

  #end(): void {
    if (!this.tunnel) this.#releasePauses();
    this.connection.responseEnded(this);
  }

  #releasePauses(): void {
    for (; this.#pauses > 0; this.#pauses--) this.connection.resumeReading();
  }
}

interface RequestTarget {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  readonly absoluteForm: boolean;
}

/** The four forms of a request target. RFC 9112 3.2. */
function requestTarget(method: string, target: string, host: string, scheme: string): RequestTarget {
  if (method === 'CONNECT') {
    if (!/^(?:\[[0-9a-fA-F:.]+\]|[^:/?#@[\]]+):\d{1,5}$/.test(target)) throw new HeadFault('http1.codec_error', 'The target of CONNECT is not HOST:PORT (RFC 9112 3.2.3).');
    return { scheme, authority: target, path: '', absoluteForm: false };
  }
  if (!validHost(host)) throw new HeadFault('http1.codec_error', 'Host is not a host name or address with an optional port (RFC 9110 7.2).');
  if (target.charCodeAt(0) === 47) return { scheme, authority: host, path: target, absoluteForm: false };
  if (target === '*' && method === 'OPTIONS') return { scheme, authority: host, path: '*', absoluteForm: false };
  const absolute = /^(https?):\/\/([^/?#]*)([/?].*)?$/i.exec(target);
  if (absolute === null || !validHost(absolute[2]!) || absolute[2] === '') throw new HeadFault('http1.invalid_url', 'The request target is neither a path nor an absolute URL (RFC 9112 3.2).');
  // Two hosts that differ could be read in two ways: refused (hardening.md), though RFC 9112 3.2.2 lets the target win.
  if (host !== '' && absolute[2]!.toLowerCase() !== host.toLowerCase()) throw new HeadFault('http1.codec_error', 'The host of the absolute target differs from Host.');
  const rest = absolute[3] ?? '/';
  return { scheme: absolute[1]!.toLowerCase(), authority: absolute[2]!, path: rest.charCodeAt(0) === 47 ? rest : `/${rest}`, absoluteForm: true };
}

/** reg-name, IPv4 or bracketed IPv6, with an optional port; no userinfo. Empty is for HTTP/1.0 and for URIs without an authority. */
function validHost(host: string): boolean {
  return /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d{0,5})?$/.test(host);
}

/** A bare LF in a head that never ends must not wait for the timeout. */
function checkPartialHead(input: Buffer, from: number): void {
  for (let lf = input.indexOf(10, from); lf >= 0; lf = input.indexOf(10, lf + 1)) {
    if (lf === 0 || input[lf - 1] !== 13) throw new HeadFault('http1.codec_error', 'A line of the head ends with a bare LF (RFC 9112 2.2).');
  }
}

function headTooLarge(maxBytes: number): HeadFault {
  return new HeadFault('http1.headers_too_large', `The head is larger than ${maxBytes} bytes.`, 431);
}

const emptyBuffer = Buffer.alloc(0);

const downstreamGone = new ProxyError({
  flag: 'DC',
  source: 'downstream',
  details: 'downstream_remote_disconnect',
  message: 'The caller closed its connection.',
  http2Code: 8,
});

const truncated = new ProxyError({
  flag: 'UPE',
  source: 'upstream',
  details: 'http1.body_shorter_than_content_length',
  message: 'The response ended before its Content-Length.',
});

const tooLong = new ProxyError({
  flag: 'UPE',
  source: 'upstream',
  details: 'http1.body_longer_than_content_length',
  message: 'The response is longer than its Content-Length.',
});
