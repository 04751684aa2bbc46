/**
 * Counts what a peer makes us do for nothing, and ends the connection with ENHANCE_YOUR_CALM when it is more than honest peers need
 * (hardening.md, "HTTP/2 floods"). Where Envoy has a limit, ours has its name, default and arithmetic; resets and control frames
 * have budgets that useful work and time refill.
 */
import type { Http2Limits } from '../codec/limits.ts';
import { ConnectionFault } from './connection-fault.ts';
import { enhanceYourCalm } from './error-code.ts';

/**
 * Envoy overload.premature_reset_total_stream_count is 500. All streams that may run come on top: an honest proxy resets
 * them together when its own client goes away.
 */
const baseResetBudget = 500;
/** nghttp2 refills its stream reset limit at this rate. */
const resetsPerSecond = 33;
const controlFramesPerSecond = 100;
/** What is written for a peer that does not read. */
const maxBlockedBytes = 4 * 1024 * 1024;

export class FloodGuard {
  readonly #limits: Http2Limits;
  /** Streams begun on this connection. */
  streamsOpened = 0;
  /** DATA frames that we sent. */
  dataFramesSent = 0;
  #windowUpdates = 0;
  #priorities = 0;
  #consecutiveEmpty = 0;
  readonly #resetBudget: number;
  #resetTokens: number;
  #resetRefilledMs: number;
  #controlTokens: number;
  #controlRefilledMs: number;
  #blockedFrames = 0;
  #blockedBytes = 0;

  constructor(limits: Http2Limits, nowMs: number) {
    this.#limits = limits;
    this.#resetBudget = baseResetBudget + limits.maxConcurrentStreams;
    this.#resetTokens = this.#resetBudget;
    this.#resetRefilledMs = nowMs;
    this.#controlTokens = limits.maxOutboundControlFrames;
    this.#controlRefilledMs = nowMs;
  }

  /** HEADERS, CONTINUATION or DATA without payload and without END_STREAM (CVE-2019-9518, CVE-2024-27316). */
  onEmptyFrame(): void {
    if (++this.#consecutiveEmpty > this.#limits.maxConsecutiveEmptyFrames) {
      throw calm('http2.inbound_empty_frames_flood', 'too many frames without payload');
    }
  }

  /** A frame of those types with a payload, or that ends its stream. */
  onFullFrame(): void {
    this.#consecutiveEmpty = 0;
    if (this.#controlTokens < this.#limits.maxOutboundControlFrames) this.#controlTokens++;
  }

  /** PRIORITY (CVE-2019-9513). */
  onPriority(): void {
    if (++this.#priorities > this.#limits.maxPriorityFramesPerStream * (1 + this.streamsOpened)) {
      throw calm('http2.inbound_priority_frames_flood', 'too many PRIORITY frames');
    }
  }

  onWindowUpdate(): void {
    const allowed = 5 + 2 * (this.streamsOpened + this.#limits.maxWindowUpdatesPerDataFrame * this.dataFramesSent);
    if (++this.#windowUpdates > allowed) {
      throw calm('http2.inbound_window_update_frames_flood', 'too many WINDOW_UPDATE frames');
    }
  }

  /** PING, SETTINGS, unknown frames and frames for streams that are over (CVE-2019-9512, CVE-2019-9515). */
  onControlFrame(nowMs: number): void {
    if (--this.#controlTokens >= 0) return;
    const refill = Math.floor(((nowMs - this.#controlRefilledMs) * controlFramesPerSecond) / 1000);
    this.#controlRefilledMs = nowMs;
    this.#controlTokens = Math.min(this.#limits.maxOutboundControlFrames, refill) - 1;
    if (this.#controlTokens < 0) throw calm('http2.inbound_control_frames_flood', 'too many control frames');
  }

  /** A young stream was reset by the peer (CVE-2023-44487), or by us for a fault of the peer (CVE-2025-8671). */
  onWastedStream(nowMs: number): void {
    if (--this.#resetTokens >= 0) return;
    const refill = Math.floor(((nowMs - this.#resetRefilledMs) * resetsPerSecond) / 1000);
    this.#resetRefilledMs = nowMs;
    this.#resetTokens = Math.min(this.#resetBudget, refill) - 1;
    if (this.#resetTokens < 0) throw calm('http2.premature_resets', 'too many streams were reset');
  }

  /** A stream ran to its end. */
  onCompletedStream(): void {
    if (this.#resetTokens < this.#resetBudget) this.#resetTokens++;
  }

  /** A frame other than DATA is about to be written while the peer takes nothing: whether there are too many of them. */
  isBlockedFlood(bytes: number): boolean {
    this.#blockedBytes += bytes;
    return ++this.#blockedFrames > this.#limits.maxOutboundFrames || this.#blockedBytes > maxBlockedBytes;
  }

  /** The peer reads again. */
  onUnblocked(): void {
    this.#blockedFrames = 0;
    this.#blockedBytes = 0;
  }
}

function calm(details: string, message: string): ConnectionFault {
  return new ConnectionFault(enhanceYourCalm, details, message);
}
