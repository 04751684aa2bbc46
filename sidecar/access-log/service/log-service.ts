/** What the services that take log entries share. */
import { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { NodeConfig } from '../../config/bootstrap-config.ts';
import type { QueueBounds } from '../../export/encoded-queue.ts';
import type { Clock, Random } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { TimerWheel } from '../../runtime/timer-wheel.ts';
import type { StatStore } from '../../stats/stat-store.ts';
import type { LogRecord } from '../log-record.ts';

export interface LogServiceInit {
  readonly clusters: ClusterLookup;
  readonly node: NodeConfig;
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  /** How long the end of a sidecar waits for what is under way. */
  readonly farewellMs: number;
  /** How long connections of older configurations may last. */
  readonly lingerMs: number;
}

export interface LogService {
  /** Encodes a record at once, as nobody may keep it. Never waits: past a bound entries are dropped and counted. */
  readonly take: (record: LogRecord) => void;
  /** Resolves when what is gathered has gone out, or cannot. Nothing is taken any more. */
  close(): Promise<void>;
}

/** Writes the fields of an entry. */
export type WriteEntry = (writer: ProtobufWriter, record: LogRecord) => void;

const entry = new ProtobufWriter(2048);

/** An entry as the field of the message that many of them go out in; good until the next. */
export function encodeEntry(field: number, write: WriteEntry, record: LogRecord): Buffer {
  entry.clear();
  const begun = entry.begin(field);
  write(entry, record);
  entry.end(begun);
  return entry.finish();
}

/** `bufferBytes`: so many are sent without waiting for more; several times as much has room. */
export function entryBounds(bufferBytes: number): QueueBounds {
  return { maxItems: 16_384, maxBytes: Math.max(1024 * 1024, 4 * bufferBytes) };
}
