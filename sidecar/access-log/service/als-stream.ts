/**
 * One access log by Envoy's access log service (StreamAccessLogs): entries gather until there are enough of them or it is time, and go out on one stream, which is opened again when it ends. A service that
 * is gone, hangs or does not read costs entries past a bound, which are counted. What it answers is not looked at: nothing is expected.
 */
import { toBinary } from '@bufbuild/protobuf';
import { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import type { AlsConfig } from '../../config/access-log-config.ts';
import { EncodedQueue } from '../../export/encoded-queue.ts';
import { GrpcCall, type GrpcCallOwner, type GrpcStatus } from '../../grpc/grpc-call.ts';
import { noPrefix, withPrefix } from '../../grpc/grpc-message.ts';
import { growingPauseMs } from '../../runtime/growing-pause.ts';
import { type TimerTarget, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { Counter } from '../../stats/stat-store.ts';
import { NodeSchema } from '../../xds/api/envoy/config/core/v3/base_pb.js';
import { nodeMessage } from '../../xds/node-message.ts';
import type { LogRecord } from '../log-record.ts';
import { LostEntries } from '../lost-entries.ts';
import { alsEntry } from './als-entry.ts';
import { encodeEntry, entryBounds, type LogService, type LogServiceInit, type WriteEntry } from './log-service.ts';

const path = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
/** Nothing is expected. */
const maxAnswerBytes = 64 * 1024;
/** A service that has taken nothing for so long is tried on another stream. */
const stuckMs = 30_000;
/** After that a stream's end is no failure. */
const steadyMs = 10_000;
const firstRetryMs = 500;
const longestRetryMs = 30_000;
/** HTTPAccessLogEntries.log_entry and TCPAccessLogEntries.log_entry. */
const entryField = 1;

export class AlsStream implements LogService, TimerTarget {
  readonly #config: AlsConfig;
  readonly #init: LogServiceInit;
  readonly #write: WriteEntry;
  readonly #queue: EncodedQueue;
  readonly #flushTimer: WheelTimer;
  readonly #retryTimer: WheelTimer;
  readonly #written: Counter;
  readonly #lost: LostEntries;
  #call: GrpcCall | null = null;
  #identified = false;
  #openedMs = 0;
  #sentMs = 0;
  #failures = 0;
  #closed = false;
  #onDrained: (() => void) | null = null;
  readonly take = (record: LogRecord): void => this.#take(record);

  constructor(config: AlsConfig, init: LogServiceInit) {
    this.#config = config;
    this.#init = init;
    this.#write = alsEntry(config);
    this.#queue = new EncodedQueue(entryBounds(config.bufferBytes));
    this.#flushTimer = new WheelTimer(this);
    this.#retryTimer = new WheelTimer(this);
    this.#written = init.stats.counter('access_logs.grpc_access_log.logs_written');
    this.#lost = new LostEntries(init.stats, 'access_logs.grpc_access_log.logs_dropped', 'als');
  }

  #take(record: LogRecord): void {
    const turnedAway = this.#closed || this.#onDrained !== null || this.#queue.full;
    if (turnedAway || !this.#queue.push(encodeEntry(entryField, this.#write, record))) {
      this.#lost.add(1);
      return;
    }
    this.#written.value++;
    if (this.#queue.bytes >= this.#config.bufferBytes) this.#flush();
    else if (!this.#flushTimer.armed) this.#init.wheel.arm(this.#flushTimer, this.#config.flushIntervalMs);
  }

  /** Sends what is gathered, if there is a stream that takes it; else opens one, unless it is not time to try again. */
  #flush(): void {
    const { wheel, clock } = this.#init;
    if (this.#queue.items === 0) return;
    if (this.#call === null) {
      if (!this.#retryTimer.armed) this.#open();
      return;
    }
    this.#send();
    if (this.#queue.items === 0) return;
    // It takes nothing: looked at again, and given up when that lasts.
    if (clock.nowMs() - this.#sentMs > stuckMs) {
      this.#call.cancel();
      this.#call = null;
      this.#ended({ code: 4, message: `it has taken nothing for ${stuckMs / 1000} s` });
    } else if (!this.#flushTimer.armed) wheel.arm(this.#flushTimer, this.#config.flushIntervalMs);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      if (this.#call === null) this.#flush();
      else this.#send();
      if (this.#call === null) {
        this.#finish();
        return;
      }
      this.#init.wheel.arm(this.#retryTimer, this.#init.farewellMs);
    });
  }

  #finish(): void {
    const { wheel } = this.#init;
    this.#closed = true;
    wheel.disarm(this.#flushTimer);
    wheel.disarm(this.#retryTimer);
    this.#lost.add(this.#queue.take(Infinity, Infinity).items);
    this.#call?.cancel();
    this.#call = null;
    this.#onDrained?.();
    this.#onDrained = null;
  }

  onTimer(timer: WheelTimer): void {
    if (this.#onDrained !== null && timer === this.#retryTimer) this.#finish();
    else this.#flush();
  }

  #open(): void {
    const { clusters, clock } = this.#init;
    const { cluster: name, authority, initialMetadata: metadata } = this.#config;
    const cluster = clusters.cluster(name);
    if (cluster === undefined) {
      this.#ended({ code: 14, message: `there is no cluster ${name}` });
      return;
    }
    this.#identified = false;
    this.#openedMs = clock.nowMs();
    this.#sentMs = this.#openedMs;
    const target = { cluster, path, authority, metadata, maxMessageBytes: maxAnswerBytes, clock };
    // One that was left behind is not heard any more.
    const owner: GrpcCallOwner = {
      // It is not meant to say anything.
      onMessage: () => {},
      onUnderWay: () => this.#call === call && this.#send(),
      onWriteReady: () => this.#call === call && this.#send(),
      // The next entries go out on a new connection.
      onDraining: () => {
        if (this.#call !== call) return;
        this.#call = null;
        call.halfClose();
      },
      onEnd: (status) => {
        if (this.#call === call) this.#ended(status);
      },
    };
    const call = new GrpcCall(target, owner);
    this.#call = call;
    call.start();
  }

  #send(): void {
    const batchBytes = Math.max(1, this.#config.bufferBytes);
    while (this.#queue.items > 0 && this.#call?.underWay === true && !this.#call.writeBlocked) {
      this.#call.sendFramed(this.#message(this.#queue.take(Infinity, batchBytes).pieces));
      this.#sentMs = this.#init.clock.nowMs();
    }
    if (this.#onDrained !== null && this.#queue.items === 0) this.#call?.halfClose();
  }

  /** StreamAccessLogsMessage, with the prefix of a gRPC message. Each has memory of its own: it is not known when it has gone out. */
  #message(entries: readonly Buffer[]): Buffer {
    const out = new ProtobufWriter();
    out.encoded(noPrefix);
    if (!this.#identified) {
      this.#identified = true;
      const identifier = out.begin(1);
      out.bytes(1, toBinary(NodeSchema, nodeMessage(this.#init.node, [])));
      out.string(2, this.#config.logName);
      out.end(identifier);
    }
    const list = out.begin(this.#config.entries === 'http' ? 2 : 3);
    for (const each of entries) out.encoded(each);
    out.end(list);
    return withPrefix(out.finish());
  }

  #ended({ code, message }: GrpcStatus): void {
    const { wheel, clock, random, log } = this.#init;
    const steady = this.#call !== null && this.#call.began && clock.nowMs() - this.#openedMs > steadyMs;
    this.#call = null;
    if (this.#onDrained !== null) this.#finish();
    if (this.#closed) return;
    this.#failures = steady ? 0 : this.#failures + 1;
    if (this.#failures === 1)
      log.warn(
        `access log service ${this.#config.cluster} (${this.#config.logName}): ${message || `gRPC status ${code}`}; entries wait, and are lost past a bound`,
      );
    const failuresBefore = Math.max(0, this.#failures - 1);
    wheel.arm(this.#retryTimer, growingPauseMs(failuresBefore, firstRetryMs, longestRetryMs, random));
  }
}
