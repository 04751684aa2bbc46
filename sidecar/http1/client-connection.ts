/**
 * The upstream side of HTTP/1: one request at a time, its response, then the next. Learns how long the peer keeps idle connections. A response with
 * nobody waiting, or bytes behind a finished one, end the connection.
 */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner, ClientStream, ResponseReceiver } from '../codec/codec.ts';
import type { HeaderFields } from '../codec/header-fields.ts';
import type { HttpLimits } from '../codec/limits.ts';
import { type RequestHead, ResponseHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { SocketWriter, type SocketWriterOwner } from '../transport/socket-writer.ts';
import { BodyDecoder, type BodyOwner } from './body-decoder.ts';
import { HeadFault, lineEnd, type ParsedFields, parseFields, parseStatusLine } from './head-parser.ts';
import { fieldLines, type Framing } from './head-writer.ts';
import { MessageEncoder } from './message-encoder.ts';

type InputState = 'idle' | 'head' | 'body' | 'done' | 'tunnel' | 'closed';

export class Http1ClientConnection implements ClientConnection, BodyOwner, SocketWriterOwner {
  readonly protocol = 'http1';
  readonly socket: Socket;
  readonly writer: SocketWriter;
  readonly #owner: ClientConnectionOwner;
  readonly #limits: HttpLimits;
  readonly #body: BodyDecoder;
  #state: InputState = 'idle';
  #stream: Http1ClientStream | null = null;
  #receiver: ResponseReceiver | null = null;
  #input: Buffer | null = null;
  #searched = 0;
  #streams = 0;
  #draining = false;
  #drainingTold = false;
  #inputEnded = false;
  #pauses = 0;
  #keepAlive = true;
  #idleHintMs = 0;
  #lastHead = '';
  #lastResponse: ResponseHead | null = null;
  #lastParsed: ParsedFields | null = null;
  #lastMinor = 1;

  /** `socket` is connected, TLS done. The owner is told onReady by whoever connected it. */
  constructor(socket: Socket, owner: ClientConnectionOwner, limits: HttpLimits) {
    this.socket = socket;
    this.#owner = owner;
    this.#limits = limits;
    this.writer = new SocketWriter(socket, this, limits.highWatermarkBytes, limits.lowWatermarkBytes);
    this.#body = new BodyDecoder(this, limits.maxHeadBytes, limits.maxFields);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onInputEnd());
    socket.on('error', () => {
      // 'close' follows and is where things end.
    });
    socket.on('close', () => this.#onSocketClose());
  }

  get activeStreams(): number {
    return this.#stream === null ? 0 : 1;
  }

  /** `Keep-Alive: timeout=N` of the last response in milliseconds; 0: none was given. */
  get idleTimeoutHintMs(): number {
    return this.#idleHintMs;
  }

  availableStreams(): number {
    return this.#state === 'idle' && !this.#draining && !this.#inputEnded ? 1 : 0;
  }

  newStream(receiver: ResponseReceiver): ClientStream {
    const stream = new Http1ClientStream(this, ++this.#streams);
    this.#stream = stream;
    this.#receiver = receiver;
    this.#state = 'head';
    return stream;
  }

  drain(): void {
    this.#draining = true;
    if (this.#stream === null) this.#end();
  }

  destroy(error: ProxyError): void {
    this.#fail(error);
    this.socket.destroy();
  }

  #onData(chunk: Buffer): void {
    if (this.#state === 'closed') return;
    this.#input = this.#input === null || this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    try {
      while (this.#input !== null && this.#input.length > 0 && this.#step(this.#input)) {
        // Goes on until more bytes are needed.
      }
    } catch (fault) {
      if (!(fault instanceof HeadFault)) throw fault;
      this.destroy(
        new ProxyError({ flag: 'UPE', source: 'upstream', details: `upstream_reset_before_response_started{protocol_error}`, message: `The upstream's response is malformed: ${fault.message}`, status: 502, http2Code: 1 }),
      );
    }
  }

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
      default:
        // Bytes that belong to no response: nothing that follows on this connection can be trusted.
        this.destroy(unsolicited);
        return false;
    }
  }

  #takeHead(input: Buffer): boolean {
    const end = input.indexOf('\r\n\r\n', Math.max(0, this.#searched - 3), 'latin1');
    if (end < 0) {
      if (input.length > this.#limits.maxHeadBytes) throw new HeadFault('http1.headers_too_large', `the head is larger than ${this.#limits.maxHeadBytes} bytes.`);
      this.#searched = input.length;
      return false;
    }
    this.#searched = 0;
    if (end + 4 > this.#limits.maxHeadBytes) throw new HeadFault('http1.headers_too_large', `the head is larger than ${this.#limits.maxHeadBytes} bytes.`);
    const text = input.toString('latin1', 0, end + 2);
    this.#input = end + 4 < input.length ? input.subarray(end + 4) : null;
    this.#beginResponse(text);
    return true;
  }

  #beginResponse(text: string): void {
    if (text !== this.#lastHead || this.#lastResponse === null) {
      const lineAt = lineEnd(text, 0);
      const line = parseStatusLine(text, lineAt);
      this.#lastParsed = parseFields(text, lineAt + 2, this.#limits.maxFields);
      this.#lastMinor = line.minor;
      this.#lastResponse = new ResponseHead(line.status, this.#lastParsed.fields, line.reason, line.minor === 1 ? '1.1' : '1.0');
      if (line.minor === 0 && this.#lastParsed.chunked) throw new HeadFault('http1.transfer_encoding_not_allowed', 'an HTTP/1.0 response has Transfer-Encoding (RFC 9112 6.1).');
      this.#lastHead = text;
    }
    const parsed = this.#lastParsed!;
    const kept = this.#lastResponse;
    const head = new ResponseHead(kept.status, kept.fields.clone(), kept.reason, kept.version);
    const stream = this.#stream!;
    const { status } = head;
    if (status < 200 && status !== 101) {
      if (parsed.chunked || parsed.contentLength > 0) throw new HeadFault('http1.body_disallowed', 'a 1xx response has a body (RFC 9110 15.2).');
      this.#receiver!.onInformational(head);
      return;
    }
    if (parsed.keepAliveSeconds > 0) this.#idleHintMs = parsed.keepAliveSeconds * 1000;
    this.#keepAlive = this.#lastMinor === 1 ? !parsed.close : parsed.keepAlive && !parsed.close;
    const receiver = this.#receiver!;
    if (status === 101 && stream.upgrade === '') throw new HeadFault('http1.codec_error', 'a 101 came though no upgrade was asked for (RFC 9110 15.2.2).');
    if (status === 101 || (stream.method === 'CONNECT' && status < 300)) {
      this.#state = 'tunnel';
      stream.tunnel = true;
      this.#keepAlive = false;
      receiver.onHead(head, false);
      return;
    }
    if (status === 204 && (parsed.chunked || parsed.contentLength > 0)) throw new HeadFault('http1.body_disallowed', 'a 204 response has a body (RFC 9110 15.3.5).');
    if (stream.method === 'HEAD' || status === 204 || status === 304 || parsed.contentLength === 0) {
      this.#responseEnded();
      receiver.onHead(head, true);
      this.#settle(stream);
      return;
    }
    this.#state = 'body';
    if (parsed.chunked) this.#body.startChunked();
    else if (parsed.contentLength > 0) this.#body.startCounted(parsed.contentLength);
    else {
      this.#body.startUntilClose();
      this.#keepAlive = false;
    }
    receiver.onHead(head, false);
  }

  onBodyData(chunk: Buffer, end: boolean): void {
    const stream = this.#stream;
    const receiver = this.#receiver;
    if (end) this.#responseEnded();
    receiver?.onData(chunk, end);
    if (end && stream !== null) this.#settle(stream);
  }

  onBodyTrailers(trailers: HeaderFields): void {
    const stream = this.#stream;
    const receiver = this.#receiver;
    this.#responseEnded();
    receiver?.onTrailers(trailers);
    if (stream !== null) this.#settle(stream);
  }

  /** The response is whole: no event comes for this stream any more. */
  #responseEnded(): void {
    this.#state = 'done';
    this.#receiver = null;
    if (this.#stream !== null) this.#stream.responseComplete = true;
  }

  /** Uses the connection again when both messages are whole, else gives it up. */
  #settle(stream: Http1ClientStream): void {
    if (this.#stream !== stream) return;
    stream.ended = true;
    this.#stream = null;
    stream.releasePauses();
    if (this.#keepAlive && stream.requestComplete && !this.#draining && !this.#inputEnded && this.#input === null) {
      this.#state = 'idle';
      this.#owner.onStreamsAvailable();
      return;
    }
    this.#tellDraining();
    this.#end();
  }

  #tellDraining(): void {
    if (this.#drainingTold) return;
    this.#drainingTold = true;
    this.#owner.onDraining();
  }

  #end(): void {
    // The request may be incomplete: closing is what tells the peer.
    this.writer.end();
    this.socket.destroySoon();
  }

  #onInputEnd(): void {
    this.#inputEnded = true;
    if (this.#state === 'tunnel') {
      this.#receiver?.onData(emptyBuffer, true);
      return;
    }
    if (this.#state === 'body' && this.#body.endsWithConnection()) {
      this.#body.stop();
      const stream = this.#stream!;
      const receiver = this.#receiver;
      this.#responseEnded();
      receiver?.onData(emptyBuffer, true);
      this.#settle(stream);
      return;
    }
    this.#fail(this.#state === 'idle' ? null : this.#terminated());
    this.socket.destroy();
  }

  #onSocketClose(): void {
    this.#fail(this.#state === 'idle' || this.#state === 'done' ? null : this.#terminated());
  }

  #terminated(): ProxyError {
    const stream = this.#stream;
    if (stream === null) return closedBefore;
    if (!stream.headSent) return closedUnsent;
    return this.#state === 'body' || this.#state === 'tunnel' ? closedDuring : closedBefore;
  }

  #fail(error: ProxyError | null): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    const stream = this.#stream;
    const receiver = this.#receiver;
    this.#stream = null;
    this.#receiver = null;
    if (stream !== null && !stream.ended) {
      stream.ended = true;
      if (!stream.responseComplete) receiver?.onReset(error ?? closedBefore);
    }
    this.#owner.onClose(error);
  }

  // -- output, called by the stream --

  /** @internal */
  sendRequestHead(stream: Http1ClientStream, head: RequestHead, endStream: boolean): void {
    const { fields, method } = head;
    stream.method = method;
    stream.upgrade = head.upgrade;
    let framing: Framing;
    if (head.upgrade !== '' || method === 'CONNECT') {
      framing = 'none';
      stream.encoder.start('raw', 0);
    } else {
      const length = fields.get('content-length');
      if (length !== undefined) {
        framing = 'as-in-fields';
        stream.encoder.start('counted', Number(length));
      } else if (endStream) {
        // RFC 9110 8.6: a method that usually has a body says that there is none; only where HTTP/2 had no need to.
        framing = head.version === '2' && (method === 'POST' || method === 'PUT' || method === 'PATCH') ? 'zero-length' : 'none';
        stream.encoder.start('none', 0);
      } else {
        framing = 'chunked';
        stream.encoder.start('chunked', 0);
      }
    }
    const target = method === 'CONNECT' ? head.authority : head.path;
    this.writer.writeLatin1(`${method} ${target} HTTP/1.1\r\n${fieldLines(fields, framing, head.authority, head.upgrade === '' ? '' : 'upgrade')}`);
  }

  /** @internal The request is whole, or was given up. */
  requestEnded(stream: Http1ClientStream): void {
    stream.requestComplete = true;
    if (this.#stream !== stream) return;
    if (stream.tunnel) this.writer.end();
    else if (!stream.encoder.complete) this.destroy(requestTruncated);
  }

  /** @internal */
  resetStream(stream: Http1ClientStream): void {
    stream.ended = true;
    if (this.#stream !== stream) return;
    this.#stream = null;
    this.#receiver = null;
    this.#tellDraining();
    this.socket.destroy();
  }

  onWriteBlocked(): void {
    this.#receiver?.onWriteBlocked();
  }

  onWriteReady(): void {
    this.#receiver?.onWriteReady();
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

export class Http1ClientStream implements ClientStream {
  readonly connection: Http1ClientConnection;
  readonly id: number;
  readonly encoder: MessageEncoder;
  method = '';
  upgrade = '';
  headSent = false;
  requestComplete = false;
  responseComplete = false;
  tunnel = false;
  ended = false;
  #pauses = 0;

  constructor(connection: Http1ClientConnection, id: number) {
    this.connection = connection;
    this.id = id;
    this.encoder = new MessageEncoder(connection.writer);
  }

  sendHead(head: RequestHead, endStream: boolean): void {
    if (this.ended || this.headSent) return;
    this.headSent = true;
    this.connection.sendRequestHead(this, head, endStream);
    // The request of an upgrade has no body: it is whole with its head; what follows 101 is the tunnel's.
    if (endStream) this.connection.requestEnded(this);
    else if (this.encoder.framing === 'raw') this.requestComplete = true;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    if (this.ended || this.responseComplete) return;
    if (!this.encoder.data(chunk)) {
      this.connection.destroy(requestTruncated);
      return;
    }
    if (endStream) {
      this.encoder.end(null);
      this.connection.requestEnded(this);
    }
  }

  sendTrailers(trailers: HeaderFields): void {
    if (this.ended || this.responseComplete) return;
    this.encoder.end(trailers);
    this.connection.requestEnded(this);
  }

  reset(_error: ProxyError): void {
    if (this.ended) return;
    this.releasePauses();
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

  releasePauses(): void {
    for (; this.#pauses > 0; this.#pauses--) this.connection.resumeReading();
  }
}

const emptyBuffer = Buffer.alloc(0);

const terminatedText = 'upstream_reset_before_response_started{connection_termination}';

const closedUnsent = new ProxyError({ flag: 'UC', source: 'upstream', details: terminatedText, message: 'The upstream closed the connection before the request was sent.', retry: 'unsent' });
const closedBefore = new ProxyError({ flag: 'UC', source: 'upstream', details: terminatedText, message: 'The upstream closed the connection before it answered.', retry: 'idempotent' });
const closedDuring = new ProxyError({ flag: 'UC', source: 'upstream', details: 'upstream_reset_after_response_started{connection_termination}', message: 'The upstream closed the connection in the middle of its response.' });
const unsolicited = new ProxyError({ flag: 'UPE', source: 'upstream', details: 'http1.unsolicited_response', message: 'The upstream sent bytes that belong to no response.' });
const requestTruncated = new ProxyError({ flag: 'DPE', source: 'downstream', details: 'http1.body_length_mismatch', message: 'The request body does not match its Content-Length.', status: 400 });
