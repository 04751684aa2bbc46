/** The downstream side of HTTP/2: begins a stream for every request, refuses what is malformed or too much, and drains with two GOAWAYs. */
import type { Socket } from 'node:net';
import type { ServerConnection, ServerConnectionOwner } from '../codec/codec.ts';
import { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { Http2Limits, HttpLimits } from '../codec/limits.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import { closedByUs } from './closed-streams.ts';
import { Http2Connection } from './connection.ts';
import { ConnectionFault } from './connection-fault.ts';
import type { Http2ConnectionOptions } from './endpoint.ts';
import { errorCodeName, internalError, noError, protocolError, refusedStream, streamClosed } from './error-code.ts';
import { writeRstStream } from './frames/rst-stream-frame.ts';
import {
  settingEnableConnectProtocol,
  settingHeaderTableSize,
  settingInitialWindowSize,
  settingMaxConcurrentStreams,
  settingMaxHeaderListSize,
} from './frames/settings-frame.ts';
import { maxWindowBytes } from './frames/window-update-frame.ts';
import { encodeResponseHead } from './head-encoding.ts';
import { BlockMemo, maxRememberedBytes } from './hpack/block-memo.ts';
import { type RequestTemplate, readRequest } from './request-fields.ts';
import { readTrailers } from './response-fields.ts';
import { Http2ServerStream } from './server-stream.ts';
import type { Http2Stream } from './stream.ts';
import { stateClosed, stateHalfClosedRemote } from './stream-state.ts';

const contentLengthName = headerName('content-length');

export interface Http2ServerOptions extends Http2ConnectionOptions {
  /** Bytes that were read to find out the protocol, preface included. */
  readonly firstBytes: Buffer | null;
  /** Announce SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441). Default true. */
  readonly allowConnect?: boolean;
}

export class Http2ServerConnection extends Http2Connection implements ServerConnection {
  readonly usualResetCode = internalError;
  readonly #owner: ServerConnectionOwner;
  readonly #allowConnect: boolean;
  readonly #memo = new BlockMemo<RequestTemplate>();
  #draining = false;
  #refusedEarly = 0;
  /** The last stream that is still served, once the final GOAWAY was sent. */
  #lastServedId: number = maxWindowBytes;

  /** `socket` is connected, TLS done. Sends SETTINGS at once; requests in `firstBytes` come while it is constructed. */
  constructor(
    socket: Socket,
    owner: ServerConnectionOwner,
    limits: HttpLimits,
    http2Limits: Http2Limits,
    options: Http2ServerOptions,
  ) {
    super(socket, limits, http2Limits, options, true);
    this.#owner = owner;
    this.#allowConnect = options.allowConnect ?? true;
    const settings: Array<[number, number]> = [
      [settingHeaderTableSize, http2Limits.headerTableBytes],
      [settingMaxConcurrentStreams, http2Limits.maxConcurrentStreams],
      [settingInitialWindowSize, http2Limits.initialStreamWindowBytes],
      [settingMaxHeaderListSize, limits.maxHeadBytes],
    ];
    if (this.#allowConnect) settings.push([settingEnableConnectProtocol, 1]);
    this.sendSettings(settings);
    if (options.firstBytes !== null && options.firstBytes.length > 0) this.receive(options.firstBytes);
  }

  get activeStreams(): number {
    return this.streams.size;
  }

  get draining(): boolean {
    return this.#draining;
  }

  drain(): void {
    if (this.#draining || !this.isReading) return;
    this.#draining = true;
    this.sendGoAway(maxWindowBytes);
    this.startDrainPing();
  }

  protected onDrainPingAck(): void {
    this.#lastServedId = this.lastPeerStreamId;
    this.sendGoAway(this.#lastServedId);
    this.endWhenIdle = true;
    if (this.streams.size === 0) this.end();
  }

  protected onHeaderBlock(
    streamId: number,
    endStream: boolean,
    dependsOnItself: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const running = this.streams.get(streamId);
    if (running !== undefined) {
      this.#onTrailers(running, endStream, bytes, start, end);
      return;
    }
    if ((streamId & 1) === 0) {
      throw new ConnectionFault(protocolError, 'http2.even_stream_id', 'a client began a stream with an even id');
    }
    if (streamId <= this.lastPeerStreamId) {
      this.decoder.decode(bytes, start, end);
      this.lateHeaders(streamId);
      return;
    }
    this.lastPeerStreamId = streamId;
    this.guard.streamsOpened++;
    const request = this.#readRequest(streamId, endStream, bytes, start, end);
    if (request === null) return;
    if (dependsOnItself) {
      this.failStreamId(streamId, protocolError, 'http2.bad_priority', 'a stream depends on itself');
      return;
    }
    if (streamId > this.#lastServedId) {
      // Behind the final GOAWAY: the peer knows that it was not processed (RFC 9113 6.8).
      this.closedStreams.add(streamId, closedByUs);
      return;
    }
    if (this.streams.size >= this.http2Limits.maxConcurrentStreams) {
      this.#refuse(streamId);
      return;
    }
    if (request.authority === '') {
      const grpc = request.names.some((name, i) => isGrpcField(name.lower, request.values[i]!));
      this.#answerFault(streamId, endStream, grpc ? '13' : '', missingHost);
      return;
    }
    this.#begin(streamId, request, endStream);
  }

  /** The request in a block, by memo or by decoding; null when it was refused. */
  #readRequest(
    streamId: number,
    endStream: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): RequestTemplate | null {
    const { decoder } = this;
    const { version } = decoder;
    if (!decoder.mustDecode) {
      const known = this.#memo.find(bytes, start, end, version);
      // Whether a body was promised and none comes depends on this frame, not on the block.
      if (known !== null && !(endStream && (known.contentLength > 0 || known.upgrade !== ''))) return known;
    }
    const block = decoder.decode(bytes, start, end);
    if (block.tooLarge) {
      const { names, values } = block;
      const grpc = names.some(({ name }, i) => isGrpcField(name.lower, values[i]!));
      this.#answerFault(streamId, endStream, grpc ? '8' : '', tooLarge(this.limits));
      return null;
    }
    let request = readRequest(block, endStream);
    if (typeof request !== 'string' && request.upgrade !== '' && !this.#allowConnect) {
      request = 'extended CONNECT was not offered';
    }
    if (typeof request === 'string') {
      this.failStreamId(streamId, protocolError, 'http2.violation.of.messaging.rule', request);
      return null;
    }
    if (decoder.version === version && block.decodedBytes <= maxRememberedBytes)
      this.#memo.remember(bytes, start, end, version, request);
    return request;
  }

  #begin(streamId: number, request: RequestTemplate, endStream: boolean): void {
    const stream = new Http2ServerStream(this, streamId);
    const tunnel = request.method === 'CONNECT';
    stream.upgrade = request.upgrade;
    stream.tunnel = tunnel;
    if (!tunnel) stream.expectedBytes = request.contentLength;
    if (endStream) stream.state = stateHalfClosedRemote;
    this.streams.set(streamId, stream);
    const receiver = this.#owner.onStream(stream);
    stream.receiver = receiver;
    if (stream.state !== stateClosed) receiver.onHead(request.toHead(), endStream);
  }

  #onTrailers(stream: Http2Stream, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const block = this.decoder.decode(bytes, start, end);
    if (stream.remoteOver) {
      this.failStream(stream, streamClosed, 'http2.headers_after_end', 'HEADERS behind END_STREAM');
      return;
    }
    if (!endStream) {
      this.#malformed(stream, 'a second head, or trailers without END_STREAM');
      return;
    }
    const trailers = block.tooLarge ? 'trailers are too large' : readTrailers(block);
    if (typeof trailers === 'string') {
      this.#malformed(stream, trailers);
      return;
    }
    if (stream.expectedBytes >= 0 && stream.receivedBytes !== stream.expectedBytes) {
      this.#malformed(stream, 'DATA differs from content-length');
      return;
    }
    stream.endRemote();
    stream.receiver!.onTrailers(trailers.toFields());
  }

  #malformed(stream: Http2Stream, message: string): void {
    this.failStream(stream, protocolError, 'http2.violation.of.messaging.rule', message);
  }

  /** More streams than we announced. A peer that does not know the number yet is not to blame. */
  #refuse(streamId: number): void {
    if (this.settingsAcked || ++this.#refusedEarly > this.http2Limits.maxConcurrentStreams) {
      this.failStreamId(streamId, refusedStream, 'http2.too_many_streams', 'more streams than announced');
      return;
    }
    this.countWrite(13);
    writeRstStream(this.writer, streamId, refusedStream);
    this.closedStreams.add(streamId, closedByUs);
  }

  /** Answers a request without troubling an owner: the head says too little for one. `grpcStatus` is '' for callers that do not speak gRPC. */
  #answerFault(streamId: number, endStream: boolean, grpcStatus: string, fault: ProxyError): void {
    const fields = HeaderFields.of(['server', 'outrigger']);
    if (grpcStatus === '') fields.append(contentLengthName, '0');
    else {
      fields.append(headerName('content-type'), 'application/grpc');
      fields.append(headerName('grpc-status'), grpcStatus);
      fields.append(headerName('grpc-message'), fault.message);
    }
    const status = grpcStatus === '' ? fault.status : 200;
    this.writeBlock(streamId, encodeResponseHead(this.encoder, status, fields), true);
    if (!endStream) {
      this.countWrite(13);
      writeRstStream(this.writer, streamId, noError);
    }
    this.closedStreams.add(streamId, closedByUs);
    this.tellFault(fault);
    this.guard.onWastedStream(this.nowMs);
  }

  onLocalEnd(stream: Http2Stream): void {
    // RFC 9113 8.1: the response is whole, the rest of the request is not wanted.
    if (!stream.tunnel) this.resetStream(stream, noError);
  }

  protected isIdleId(streamId: number): boolean {
    return streamId > this.lastPeerStreamId || (streamId & 1) === 0;
  }

  protected errorOfPeerReset(_stream: Http2Stream, code: number): ProxyError {
    return new ProxyError({
      flag: 'DC',
      source: 'downstream',
      details: code === refusedStream ? 'http2.remote_refuse' : 'http2.remote_reset',
      message: `The client reset the stream with ${errorCodeName(code)}.`,
      http2Code: code,
    });
  }

  protected errorOfFault(_stream: Http2Stream | null, code: number, details: string, message: string): ProxyError {
    return new ProxyError({
      flag: 'DPE',
      source: 'downstream',
      details,
      message: `The client broke the HTTP/2 protocol: ${message}.`,
      status: 400,
      http2Code: code,
    });
  }

  protected errorOfTermination(): ProxyError {
    return downstreamGone;
  }

  protected onPeerSettings(): void {
    // Nothing that begins streams depends on them here.
  }

  protected onGoAway(): void {
    this.endWhenIdle = true;
    if (this.streams.size === 0) this.end();
  }

  protected dropUnbegun(): void {
    // Streams begin with their head on this side.
  }

  protected onStreamGone(): void {
    if (this.endWhenIdle && this.streams.size === 0 && this.isReading) this.end();
  }

  protected onReadDone(): void {
    // Nothing is batched on this side.
  }

  protected tellClosed(error: ProxyError | null): void {
    this.#owner.onClose(error);
  }

  protected tellFault(error: ProxyError): void {
    this.#owner.onCodecError(error);
  }
}

function isGrpcField(lower: string, value: string): boolean {
  return lower === 'content-type' && value.startsWith('application/grpc');
}

function tooLarge(limits: HttpLimits): ProxyError {
  return new ProxyError({
    flag: 'DPE',
    source: 'downstream',
    details: 'http2.too_many_headers',
    message: `The request's headers are larger than ${limits.maxHeadBytes} bytes or more than ${limits.maxFields}.`,
    status: 431,
    http2Code: protocolError,
  });
}

/** Envoy answers so as well. */
const missingHost = new ProxyError({
  flag: 'DPE',
  source: 'downstream',
  details: 'missing_host_header',
  message: 'The request has neither :authority nor host (RFC 9113 8.3.1).',
  status: 400,
  http2Code: protocolError,
});

const downstreamGone = new ProxyError({
  flag: 'DC',
  source: 'downstream',
  details: 'downstream_remote_disconnect',
  message: 'The client closed the connection.',
});
