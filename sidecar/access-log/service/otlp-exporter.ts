/**
 * One access log by OpenTelemetry's logs over gRPC (LogsService/Export): entries gather until there are enough of them or it is time, and go out one call after another. What a call could not bring is
 * brought again a few times, then lost and counted. A collector that is gone or hangs costs entries past a bound, which are counted too.
 */
import type { OtlpLogConfig } from '../../config/access-log-config.ts';
import { GrpcCall, type GrpcStatus } from '../../grpc/grpc-call.ts';
import { decodeExportAnswer, retryableStatuses } from '../../otlp/export-answer.ts';
import { type TimerTarget, WheelTimer } from '../../runtime/timer-wheel.ts';
import type { Counter } from '../../stats/stat-store.ts';
import type { LogRecord } from '../log-record.ts';
import { LostEntries } from '../lost-entries.ts';
import { EntryQueue } from './entry-queue.ts';
import { type LogService, type LogServiceInit, retryDelayMs } from './log-service.ts';
import { otlpRecord, otlpRequest } from './otlp-record.ts';

const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
const maxAnswerBytes = 64 * 1024;
const maxBatchEntries = 512;
const maxTries = 5;

export class OtlpExporter implements LogService, TimerTarget {
  readonly #config: OtlpLogConfig;
  readonly #init: LogServiceInit;
  readonly #encode: (record: LogRecord) => Uint8Array;
  readonly #request: (records: readonly Uint8Array[]) => Uint8Array;
  readonly #queue: EntryQueue;
  readonly #flushTimer: WheelTimer;
  /** For an answer, or until the next try. */
  readonly #callTimer: WheelTimer;
  readonly #written: Counter;
  readonly #lost: LostEntries;
  #batch: readonly Uint8Array[] = [];
  #tries = 0;
  #call: GrpcCall | null = null;
  #told = false;
  #closed = false;
  #onDrained: (() => void) | null = null;
  readonly take = (record: LogRecord): void => this.#take(record);

  constructor(config: OtlpLogConfig, init: LogServiceInit) {
    this.#config = config;
    this.#init = init;
    this.#encode = otlpRecord(config);
    this.#request = otlpRequest(config, init.node);
    this.#queue = new EntryQueue(config.bufferBytes);
    this.#flushTimer = new WheelTimer(this);
    this.#callTimer = new WheelTimer(this);
    const prefix = config.statPrefix === '' ? '' : `${config.statPrefix}.`;
    this.#written = init.stats.counter(`access_logs.open_telemetry_access_log.${prefix}logs_written`);
    this.#lost = new LostEntries(init.stats, `access_logs.open_telemetry_access_log.${prefix}logs_dropped`, 'otlp');
  }

  #take(record: LogRecord): void {
    if (this.#closed || !this.#queue.push(this.#encode(record))) {
      this.#lost.add(1);
      return;
    }
    this.#written.value++;
    if (this.#queue.bytes >= this.#config.bufferBytes) this.flush();
    else if (!this.#flushTimer.armed) this.#init.wheel.arm(this.#flushTimer, this.#config.flushIntervalMs);
  }

  flush(): void {
    if (this.#batch.length > 0 || this.#queue.length === 0) return;
    this.#batch = this.#queue.take(maxBatchEntries, Math.max(1, this.#config.bufferBytes));
    this.#tries = 0;
    this.#try();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      this.flush();
      if (this.#batch.length === 0) this.#shut();
      else if (this.#onDrained !== null) this.#init.wheel.arm(this.#flushTimer, this.#init.farewellMs);
    });
  }

  #shut(): void {
    if (this.#closed) return;
    const { wheel } = this.#init;
    this.#closed = true;
    wheel.disarm(this.#flushTimer);
    wheel.disarm(this.#callTimer);
    this.#lost.add(this.#queue.take(Infinity, Infinity).length + this.#batch.length);
    this.#call?.cancel();
    this.#call = null;
    this.#onDrained?.();
    this.#onDrained = null;
  }

  onTimer(timer: WheelTimer): void {
    if (timer === this.#flushTimer) {
      if (this.#onDrained !== null) this.#shut();
      else this.flush();
    } else if (this.#call === null) this.#try();
    else {
      this.#call.cancel();
      this.#ended({ code: 4, message: `no answer within ${this.#config.timeoutMs} ms` });
    }
  }

  #try(): void {
    const { clusters, clock, wheel } = this.#init;
    const { cluster: name, authority, initialMetadata: metadata, timeoutMs } = this.#config;
    this.#tries++;
    const cluster = clusters.cluster(name);
    if (cluster === undefined) {
      this.#ended({ code: 14, message: `there is no cluster ${name}` });
      return;
    }
    const call = new GrpcCall(
      { cluster, path, authority, metadata, maxMessageBytes: maxAnswerBytes, clock },
      {
        onMessage: (message) => this.#lost.add(Math.min(decodeExportAnswer(message).rejected, this.#batch.length)),
        onEnd: (status) => {
          if (this.#call === call) this.#ended(status);
        },
      },
    );
    this.#call = call;
    wheel.arm(this.#callTimer, timeoutMs);
    call.send(this.#request(this.#batch));
    call.halfClose();
    call.start();
  }

  #ended({ code, message }: GrpcStatus): void {
    const { wheel, random, log } = this.#init;
    this.#call = null;
    wheel.disarm(this.#callTimer);
    if (this.#closed) return;
    if (code === 0) this.#told = false;
    else {
      if (!this.#told) {
        this.#told = true;
        log.warn(
          `access log collector ${this.#config.cluster} (${this.#config.logName}): ${message || `gRPC status ${code}`}; entries wait, and are lost past a bound`,
        );
      }
      if (retryableStatuses.has(code) && this.#tries < maxTries && this.#onDrained === null) {
        wheel.arm(this.#callTimer, retryDelayMs(this.#tries, random));
        return;
      }
      this.#lost.add(this.#batch.length);
    }
    this.#batch = [];
    if (this.#queue.length > 0 && (this.#onDrained !== null || this.#queue.bytes >= this.#config.bufferBytes)) {
      // Not from within the call that has just ended.
      wheel.arm(this.#callTimer, 0);
      this.#batch = this.#queue.take(maxBatchEntries, Math.max(1, this.#config.bufferBytes));
      this.#tries = 0;
    } else if (this.#onDrained !== null) this.#shut();
    else if (this.#queue.length > 0 && !this.#flushTimer.armed)
      wheel.arm(this.#flushTimer, this.#config.flushIntervalMs);
  }
}
