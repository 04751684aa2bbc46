/** The upstream side of HTTP/2: begins streams within the limits of both sides, and judges the responses that come back. */
import type { Socket } from 'node:net';
import type { ClientConnection, ClientConnectionOwner, ClientStream, ResponseReceiver } from '../codec/codec.ts';
import { type Http2Limits, type HttpLimits, maxInformationalHeads } from '../codec/limits.ts';
import { RequestHead } from '../codec/message-head.ts';
import { ProxyError } from '../codec/proxy-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { localEnd } from '../transport/end-text.ts';
import { Http2ClientStream } from './client-stream.ts';
import { Http2Connection } from './connection.ts';
import { ConnectionFault } from './connection-fault.ts';
import type { Http2ConnectionOptions } from './endpoint.ts';
import { cancel, errorCodeName, noError, protocolError, refusedStream, streamClosed } from './error-code.ts';
import { clientPreface } from './frame-reader.ts';
import { silencePing, writePing } from './frames/ping-frame.ts';
import {
  settingEnablePush,
  settingHeaderTableSize,
  settingInitialWindowSize,
  settingMaxHeaderListSize,
} from './frames/settings-frame.ts';
import { maxWindowBytes } from './frames/window-update-frame.ts';
import { encodeRequestHead } from './head-encoding.ts';
import { BlockMemo, maxRememberedBytes } from './hpack/block-memo.ts';
import { PeerSilence } from './peer-silence.ts';
import { type ResponseTemplate, readResponse, readTrailers } from './response-fields.ts';
import type { Http2Stream } from './stream.ts';
import { stateOpen } from './stream-state.ts';
import { addUpgradedFields } from './upgrade-fields.ts';

/** Streams that we begin before the peer's SETTINGS came; nghttp2 and Envoy assume the same. */
const streamsBeforeSettings = 100;

export class Http2ClientConnection extends Http2Connection implements ClientConnection {
  readonly usualResetCode = cancel;
  readonly #socket: Socket;
  readonly #owner: ClientConnectionOwner;
  readonly #clock: Clock;
  readonly #silence = new PeerSilence();
  readonly #memo = new BlockMemo<ResponseTemplate>();
  readonly #trailersMemo = new BlockMemo<ResponseTemplate>();
  #nextStreamId = 1;
  #active = 0;
  #draining = false;
  #drainingTold = false;
  #availableGrew = false;
  /** Streams whose upgrade waits for SETTINGS. */
  readonly #held = new Set<Http2ClientStream>();

  /** `socket` is connected, TLS done. Sends preface and SETTINGS at once; `onReady` follows before anything else, not from in here. */
  constructor(
    socket: Socket,
    owner: ClientConnectionOwner,
    limits: HttpLimits,
    http2Limits: Http2Limits,
    options: Http2ConnectionOptions,
  ) {
    super(socket, limits, http2Limits, options, false);
    this.#socket = socket;
    this.#owner = owner;
    this.#clock = options.clock;
    this.writer.writeBytes(clientPreface);
    this.sendSettings([
      [settingHeaderTableSize, http2Limits.headerTableBytes],
      [settingEnablePush, 0],
      [settingInitialWindowSize, http2Limits.initialStreamWindowBytes],
      [settingMaxHeaderListSize, limits.maxHeadBytes],
    ]);
    process.nextTick(() => {
      if (this.isReading) owner.onReady();
    });
  }

  get localEnd(): string {
    return localEnd(this.#socket);
  }

  get activeStreams(): number {
    return this.#active;
  }

  /** The peer takes extended CONNECT (RFC 8441); false until its SETTINGS came. */
  get takesExtendedConnect(): boolean {
    return this.peer.enableConnectProtocol;
  }

  availableStreams(): number {
    if (this.#draining || !this.isReading) return 0;
    const theirs = this.peerSettingsSeen ? this.peer.maxConcurrentStreams : streamsBeforeSettings;
    return Math.max(0, Math.min(theirs, this.http2Limits.maxConcurrentStreams) - this.#active);
  }

  newStream(receiver: ResponseReceiver): ClientStream {
    this.#active++;
    return new Http2ClientStream(this, receiver);
  }

  drain(): void {
    this.#draining = true;
    this.endWhenIdle = true;
    for (const stream of this.streams.values()) (stream as Http2ClientStream).response.onConnectionDraining?.();
    this.#endIfIdle();
  }

  /** @internal Gives the stream its id and writes its head. */
  beginStream(stream: Http2ClientStream, head: RequestHead, endStream: boolean): void {
    if (!this.isReading || (this.#draining && this.#drainingTold)) {
      this.#failLater(stream, stream.error('UC', 'connection_termination', closedUnsent, 'unsent', noError));
      return;
    }
    if (head.upgrade !== '') {
      if (!this.peerSettingsSeen) {
        // The head stays the owner's.
        stream.heldHead = copyOf(head);
        this.#held.add(stream);
        if (endStream) stream.endQueued = true;
        return;
      }
      if (!this.peer.enableConnectProtocol) {
        this.#failLater(
          stream,
          stream.error(
            'UPE',
            'protocol_error',
            'The upstream does not take upgrades over HTTP/2 (RFC 8441).',
            'unsent',
            noError,
          ),
        );
        return;
      }
    }
    stream.id = this.#nextStreamId;
    this.#nextStreamId += 2;
    this.guard.streamsOpened++;
    stream.state = stateOpen;
    // SETTINGS may have come since newStream.
    stream.sendWindow = this.peer.initialWindowBytes;
    this.streams.set(stream.id, stream);
    stream.headPosition = this.writer.position;
    this.writeBlock(stream.id, encodeRequestHead(this.encoder, head, this.scheme), endStream);
    stream.headWritten(endStream);
    if (this.#nextStreamId >= maxWindowBytes) this.#startDraining();
    this.#noticeSilence();
  }

  /** Runs to its end what is there, and leaves the rest to other connections, when the peer says nothing any more. */
  #noticeSilence(): void {
    const silence = this.#silence.onBegin(this.nowMs, this.#active === 1, this.#clock);
    if (silence === 'ask') writePing(this.writer, silencePing);
    if (silence !== 'gone') return;
    this.endWhenIdle = true;
    this.#startDraining();
  }

  /** No event may come from inside sendHead. */
  #failLater(stream: Http2ClientStream, error: ProxyError): void {
    setImmediate(() => this.dropStream(stream, error));
  }

  protected onHeaderBlock(
    streamId: number,
    endStream: boolean,
    _dependsOnItself: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const stream = this.streams.get(streamId) as Http2ClientStream | undefined;
    if (stream === undefined) {
      if (this.isIdleId(streamId)) {
        throw new ConnectionFault(protocolError, 'http2.headers_on_idle', 'HEADERS for an idle stream');
      }
      this.decoder.decode(bytes, start, end);
      this.lateHeaders(streamId);
      return;
    }
    if (stream.remoteOver) {
      this.decoder.decode(bytes, start, end);
      this.failStream(stream, streamClosed, 'http2.headers_after_end', 'HEADERS behind END_STREAM');
      return;
    }
    const template = this.#readBlock(stream.headReceived, bytes, start, end);
    if (typeof template === 'string') this.#malformed(stream, template);
    else if (stream.headReceived) this.#onTrailers(stream, template, endStream);
    else if (template.status < 200) this.#onInformational(stream, template, endStream);
    else this.#onResponse(stream, template, endStream);
  }

  #readBlock(trailers: boolean, bytes: Buffer, start: number, end: number): ResponseTemplate | string {
    const { decoder } = this;
    const { version } = decoder;
    const memo = trailers ? this.#trailersMemo : this.#memo;
    if (!decoder.mustDecode) {
      const known = memo.find(bytes, start, end, version);
      if (known !== null) return known;
    }
    const block = decoder.decode(bytes, start, end);
    if (block.tooLarge) return 'the headers are too large';
    const template = trailers ? readTrailers(block) : readResponse(block);
    if (typeof template !== 'string' && decoder.version === version && block.decodedBytes <= maxRememberedBytes)
      memo.remember(bytes, start, end, version, template);
    return template;
  }

  #onInformational(stream: Http2ClientStream, template: ResponseTemplate, endStream: boolean): void {
    if (endStream) {
      this.#malformed(stream, 'an informational response ends the stream');
      return;
    }
    if (++stream.informationalHeads > maxInformationalHeads) {
      this.#malformed(stream, `more than ${maxInformationalHeads} informational responses`);
      return;
    }
    stream.response.onInformational(template.toHead());
  }

  #onResponse(stream: Http2ClientStream, template: ResponseTemplate, endStream: boolean): void {
    const { status, contentLength } = template;
    const accepted = stream.tunnel && status < 300;
    if (!accepted) {
      stream.bodyAllowed = !(stream.isHead || status === 204 || status === 304);
      if (stream.bodyAllowed) stream.expectedBytes = contentLength;
      const promised = stream.bodyAllowed ? contentLength : status === 204 ? Math.max(0, contentLength) : 0;
      if ((endStream && promised > 0) || (status === 204 && promised > 0)) {
        this.#malformed(stream, 'content-length without a body');
        return;
      }
    }
    stream.headReceived = true;
    const head = template.toHead();
    // A tunnel has no length (RFC 9110 8.6), and for HTTP/1 it would frame what follows.
    if (accepted) head.fields.delete('content-length');
    if (accepted && stream.upgrade !== '') {
      head.status = 101;
      addUpgradedFields(head.fields, stream.upgrade, stream.accept);
    }
    if (endStream) stream.endRemote();
    stream.response.onHead(head, endStream);
  }

  #onTrailers(stream: Http2ClientStream, template: ResponseTemplate, endStream: boolean): void {
    if (!endStream) {
      this.#malformed(stream, 'a second head, or trailers without END_STREAM');
      return;
    }
    if (stream.expectedBytes >= 0 && stream.receivedBytes !== stream.expectedBytes) {
      this.#malformed(stream, 'DATA differs from content-length');
      return;
    }
    stream.endRemote();
    stream.response.onTrailers(template.toFields());
  }

  #malformed(stream: Http2ClientStream, message: string): void {
    this.failStream(stream, protocolError, 'http2.violation.of.messaging.rule', message);
  }

  onLocalEnd(_stream: Http2Stream): void {
    // The response is still to come.
  }

  protected isIdleId(streamId: number): boolean {
    return streamId >= this.#nextStreamId || (streamId & 1) === 0;
  }

  protected errorOfPeerReset(stream: Http2Stream, code: number): ProxyError | null {
    // RFC 9113 8.1: the response is whole, and the server does not want the rest of the request.
    if (code === noError && stream.remoteOver) return null;
    const name = errorCodeName(code);
    const client = stream as Http2ClientStream;
    if (code === refusedStream) {
      return client.error(
        'UR',
        'remote_refused_stream_reset',
        `The upstream refused the stream.`,
        client.headReceived ? 'never' : 'unsent',
        code,
      );
    }
    // Whatever the code: the request was received, so that this is no stale connection, and it may have been acted on (RFC 9113 8.7).
    return client.error('UR', 'remote_reset', `The upstream reset the stream with ${name}.`, 'never', code);
  }

  protected errorOfFault(stream: Http2Stream | null, code: number, details: string, message: string): ProxyError {
    const text = `The upstream broke the HTTP/2 protocol: ${message}.`;
    if (stream !== null) {
      const client = stream as Http2ClientStream;
      // While the connection goes on, the head goes out all the same.
      const retry = !this.isReading && this.#isUnsent(client) ? 'unsent' : 'never';
      return client.error('UPE', 'protocol_error', text, retry, code);
    }
    return new ProxyError({ flag: 'UPE', source: 'upstream', details, message: text, status: 502, http2Code: code });
  }

  protected errorOfTermination(stream: Http2Stream | null): ProxyError {
    if (stream === null) return upstreamGone;
    const client = stream as Http2ClientStream;
    return this.#isUnsent(client)
      ? client.error('UC', 'connection_termination', closedUnsent, 'unsent', noError)
      : client.error('UC', 'connection_termination', upstreamGone.message, 'idempotent', noError);
  }

  /** Provably nothing of the request has left this process. */
  #isUnsent(stream: Http2ClientStream): boolean {
    return this.writer.handedOverBytes <= stream.headPosition;
  }

  protected onPeerSettings(): void {
    this.#availableGrew = true;
    for (const stream of this.#held) {
      const head = stream.heldHead!;
      stream.heldHead = null;
      this.#held.delete(stream);
      this.beginStream(stream, head, false);
    }
  }

  protected dropUnbegun(error: ProxyError | null): void {
    for (const stream of this.#held) {
      this.dropStream(stream, error ?? stream.error('UC', 'connection_termination', closedUnsent, 'unsent', noError));
    }
  }

  protected override forget(stream: Http2ClientStream, reason: number): void {
    if (stream.heldHead !== null) this.#held.delete(stream);
    super.forget(stream, reason);
  }

  protected onGoAway(lastStreamId: number, code: number, debug: string): void {
    this.#startDraining();
    this.endWhenIdle = true;
    if (code !== noError) {
      this.endError ??= this.errorOfFault(
        null,
        code,
        'http2.goaway',
        `GOAWAY ${errorCodeName(code)} ${debug}`.trimEnd(),
      );
    }
    for (const stream of this.streams.values()) {
      if (stream.id <= lastStreamId) continue;
      const client = stream as Http2ClientStream;
      this.dropStream(
        stream,
        client.error(
          'UR',
          'remote_refused_stream_reset',
          'The upstream is going away and did not process the stream.',
          client.headReceived ? 'never' : 'unsent',
          refusedStream,
        ),
      );
    }
    this.#endIfIdle();
  }

  #startDraining(): void {
    this.#draining = true;
    if (this.#drainingTold) return;
    this.#drainingTold = true;
    this.#owner.onDraining();
  }

  protected onDrainPingAck(): void {
    // Only servers drain with a PING.
  }

  protected onStreamGone(): void {
    this.#active--;
    if (!this.#availableGrew) {
      this.#availableGrew = true;
      if (!this.inRead) setImmediate(() => this.#tellAvailable());
    }
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (!this.endWhenIdle || this.#active > 0 || !this.isReading) return;
    this.sendGoAway(0);
    this.end();
  }

  protected onReadDone(): void {
    if (this.#availableGrew) this.#tellAvailable();
  }

  #tellAvailable(): void {
    if (!this.#availableGrew) return;
    this.#availableGrew = false;
    if (this.isReading && !this.#draining) this.#owner.onStreamsAvailable();
  }

  protected tellClosed(error: ProxyError | null): void {
    this.#owner.onClose(error);
  }

  protected tellFault(_error: ProxyError): void {
    // Client connections tell by resetting streams and by onClose.
  }
}

const closedUnsent = 'The connection was closed before the request was sent.';

const upstreamGone = new ProxyError({
  flag: 'UC',
  source: 'upstream',
  details: 'upstream_reset_before_response_started{connection_termination}',
  message: 'The upstream closed the connection.',
  retry: 'idempotent',
});

function copyOf(head: RequestHead): RequestHead {
  const { method, scheme, authority, path, version, upgrade, absoluteForm } = head;
  return new RequestHead(method, scheme, authority, path, version, head.fields.clone(), upgrade, absoluteForm);
}
