/** What the services that take log entries share. */
import type { ClusterLookup } from '../../cluster/upstream.ts';
import type { NodeConfig } from '../../config/bootstrap-config.ts';
import type { Clock, Random } from '../../runtime/clock.ts';
import { growingPauseMs } from '../../runtime/growing-pause.ts';
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
  flush(): void;
  /** Resolves when what is gathered has gone out, or cannot. Nothing is taken any more. */
  close(): Promise<void>;
}

const firstRetryMs = 500;
const maxRetryMs = 30_000;

/** `failures`: in a row, this one among them; 0: it was none. */
export function retryDelayMs(failures: number, random: Random): number {
  return growingPauseMs(Math.max(0, failures - 1), firstRetryMs, maxRetryMs, random);
}
