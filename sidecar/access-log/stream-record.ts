/** A finished request as a LogRecord. */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { RequestHead } from '../codec/message-head.ts';
import type { DownstreamConnectionInfo } from '../connection-manager/http-context.ts';
import { endpointText } from '../filters/rbac/ip-address.ts';
import { type ForwardedForRules, forwardedClient } from '../filters/rbac/request-view.ts';
import { hideParameters } from './hidden-parameters.ts';
import type { LoggedStream, LogRecord, TimePoint } from './log-record.ts';

export class StreamRecord implements LogRecord {
  readonly #stream: LoggedStream;
  readonly #hidden: ReadonlySet<string>;
  readonly #forwardedFor: ForwardedForRules | null;
  readonly info: DownstreamConnectionInfo;
  readonly durationMs: number;
  readonly startWallMs: number;

  /** `hidden`: parameters of the query, in lower case, whose values are not told. `forwardedFor`: how `x-forwarded-for` is read; null: it is not. */
  constructor(
    stream: LoggedStream,
    info: DownstreamConnectionInfo,
    durationMs: number,
    endWallMs: number,
    hidden: ReadonlySet<string>,
    forwardedFor: ForwardedForRules | null,
  ) {
    this.#forwardedFor = forwardedFor;
    this.#stream = stream;
    this.#hidden = hidden;
    this.info = info;
    this.durationMs = durationMs;
    this.startWallMs = endWallMs - durationMs;
  }

  get tcp(): boolean {
    return false;
  }

  get type(): 'DownstreamEnd' {
    return 'DownstreamEnd';
  }

  get head(): RequestHead {
    return this.#stream.head;
  }

  get responseFields(): HeaderFields | null {
    const { responseHead } = this.#stream;
    return responseHead === null ? null : responseHead.fields;
  }

  get responseTrailers(): HeaderFields | null {
    return this.#stream.responseTrailers;
  }

  get originalPath(): string {
    return hideParameters(this.#stream.originalPath, this.#hidden);
  }

  get path(): string {
    return hideParameters(this.#stream.head.path, this.#hidden);
  }

  get protocol(): string {
    return protocolName(this.#stream.version);
  }

  get upstreamProtocol(): string {
    const { responseHead, details } = this.#stream;
    return responseHead === null || !details.startsWith('via_upstream') ? '' : protocolName(responseHead.version);
  }

  get requestId(): string {
    return this.#stream.requestId;
  }

  get traceId(): string {
    return this.#stream.traceId;
  }

  get spanId(): string {
    return this.#stream.spanId;
  }

  get sampled(): boolean {
    return this.#stream.trace?.sampled === true;
  }

  get grpc(): boolean {
    return this.#stream.grpc;
  }

  get status(): number {
    return this.#stream.status;
  }

  get flag(): string {
    return this.#stream.flag;
  }

  get details(): string {
    return this.#stream.details;
  }

  get policy(): string {
    return this.#stream.policy;
  }

  get dryRunDeniedBy(): string {
    return this.#stream.dryRunDeniedBy;
  }

  get decidedBy(): string {
    return this.#stream.decidedBy;
  }

  get metadata(): ReadonlyMap<string, unknown> | null {
    return this.#stream.metadata;
  }

  get grpcStatus(): string {
    return this.#stream.grpcStatus;
  }

  get bytesReceived(): number {
    return this.#stream.bytesReceived;
  }

  get bytesSent(): number {
    return this.#stream.bytesSent;
  }

  get attempts(): number {
    return this.#stream.attempts;
  }

  get notRetried(): string {
    return this.#stream.notRetried;
  }

  get upstreamHost(): string {
    return this.#stream.upstreamHost;
  }

  get upstreamLocalEnd(): string {
    return this.#stream.lastAttempt?.stream?.connection.localEnd ?? '';
  }

  get connectFailure(): string {
    const failure = this.#stream.lastAttempt?.failure ?? null;
    return failure?.flag === 'UF' ? failure.message : '';
  }

  get upstreamServiceTimeMs(): number {
    return this.#stream.upstreamServiceTimeMs;
  }

  get routeName(): string {
    const { route } = this.#stream;
    return route === null ? '' : route.name;
  }

  get clusterName(): string {
    const { target } = this.#stream;
    return target === null ? '' : target.name;
  }

  get clientEndpoint(): string {
    const rules = this.#forwardedFor;
    const forwarded = rules === null ? null : forwardedClient(this.#stream.head.fields, rules);
    return forwarded === null ? this.info.remoteAddress : endpointText(forwarded.text, 0);
  }

  pointMs(point: TimePoint): number {
    const { startMs, requestWholeMs, firstByteMs, lastAttempt } = this.#stream;
    const since = (ms: number | undefined): number => (ms === undefined || ms < 0 ? -1 : Math.max(0, ms - startMs));
    switch (point) {
      case 'DS_RX_BEG':
        return 0;
      case 'DS_RX_END':
        return since(requestWholeMs);
      case 'US_TX_BEG':
        return since(lastAttempt?.sentMs);
      case 'US_TX_END':
        // The request was whole when it was sent, or became so meanwhile.
        return lastAttempt === null || lastAttempt.sentMs < 0 || requestWholeMs < 0
          ? -1
          : since(Math.max(lastAttempt.sentMs, requestWholeMs));
      case 'US_RX_BEG':
        return since(lastAttempt?.firstByteMs);
      case 'US_RX_END':
        return lastAttempt === null || lastAttempt.firstByteMs < 0 ? -1 : since(lastAttempt.endedMs);
      case 'DS_TX_BEG':
        // One of our own goes out whole, at the end.
        return firstByteMs < 0 && this.responseFields !== null ? this.durationMs : since(firstByteMs);
      case 'DS_TX_END':
        return this.durationMs;
    }
  }
}

export function protocolName(version: string): string {
  switch (version) {
    case '1.1':
      return 'HTTP/1.1';
    case '2':
      return 'HTTP/2';
    default:
      return `HTTP/${version}`;
  }
}
