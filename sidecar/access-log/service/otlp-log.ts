/** One access log by OpenTelemetry's logs over gRPC (LogsService/Export), in batches (export/batch-exporter.ts). What a collector could not be brought, or turned down, is lost and counted. */
import type { OtlpLogConfig } from '../../config/access-log-config.ts';
import { BatchExporter, mostBatchBytes } from '../../export/batch-exporter.ts';
import { CollectorLog } from '../../export/collector-log.ts';
import { OtlpGrpcTransport } from '../../export/otlp-grpc-transport.ts';
import { LostEntries } from '../lost-entries.ts';
import { encodeEntry, entryBounds, type LogService, type LogServiceInit } from './log-service.ts';
import { otlpRecord, otlpRequest } from './otlp-record.ts';

const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
/** A batch goes every tick or two of the timer wheel at most: it must hold what a busy sidecar logs meanwhile. */
const batchItems = 4096;
/** ScopeLogs.log_records. */
const recordField = 2;

export function otlpLog(config: OtlpLogConfig, init: LogServiceInit): LogService {
  const { clusters, node, stats, clock, wheel, random, log, farewellMs } = init;
  const { cluster, authority, initialMetadata: metadata, timeoutMs, bufferBytes, flushIntervalMs: delayMs } = config;
  const prefix = `access_logs.open_telemetry_access_log.${config.statPrefix === '' ? '' : `${config.statPrefix}.`}`;
  const written = stats.counter(`${prefix}logs_written`);
  const lost = new LostEntries(stats, `${prefix}logs_dropped`, 'otlp');
  const told = new CollectorLog(log, `access log collector ${cluster} (${config.logName})`, 'entries');
  const exporter = new BatchExporter({
    transport: new OtlpGrpcTransport(
      { clusters, clock, cluster, authority, path, metadata, timeoutMs },
      otlpRequest(config, node),
    ),
    queue: { ...entryBounds(bufferBytes), batchItems, batchBytes: mostBatchBytes, flushBytes: bufferBytes, delayMs },
    timeoutMs,
    observer: {
      sent: () => told.taken(),
      dropped: (entries) => lost.add(entries),
      rejected: (entries, why) => told.rejected(entries, why),
      failed: (_reason, why) => told.failed(why),
      flushedByTimer: () => {},
    },
    ...{ wheel, random },
  });
  const write = otlpRecord(config);
  return {
    take: (record) => {
      if (exporter.full) exporter.turnAway(1);
      else if (exporter.offer(encodeEntry(recordField, write, record))) written.value++;
    },
    close: () => new Promise((resolve) => exporter.close(farewellMs, resolve)),
  };
}
