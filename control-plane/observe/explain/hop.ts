/** One hop of a request as explanations read it: a record with its times as milliseconds. */
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { RequestRecord } from '../../../proto/generated/outrigger/observe/v1/observe_pb.js';

export interface HopAttempt {
  readonly cluster: string;
  readonly host: string;
  /** Since the hop's beginning, as the others; -1: it did not come so far. */
  readonly startedMs: number;
  readonly sentMs: number;
  readonly firstByteMs: number;
  readonly endedMs: number;
  readonly status: number;
  readonly flag: string;
  readonly details: string;
  readonly reused: boolean;
  readonly why: string;
  readonly spanId: string;
}

export interface Hop {
  readonly record: RequestRecord;
  /** `inbound`, `outbound`; what else it says is taken for a proxy of its own. */
  readonly direction: string;
  /** Without its namespace, for people. */
  readonly service: string;
  readonly startedMs: number;
  readonly durationMs: number;
  readonly routedMs: number;
  readonly admittedMs: number;
  readonly requestWholeMs: number;
  readonly firstByteMs: number;
  readonly flags: readonly string[];
  /** It failed, or was not left alone: by a status, or by any flag. */
  readonly failed: boolean;
  /** It did not come to a good end; a request that was only held up on purpose, or answered by a fallback, did. */
  readonly broken: boolean;
  readonly attempts: readonly HopAttempt[];
  /** Null: nobody is known who set the time limit that ended it. */
  readonly limit: LimitSetter | null;
}

export interface LimitSetter {
  /** `TrafficPolicy shop/impatient` */
  readonly rule: string;
  readonly route: string;
  /** By a hop further out: this one kept what was left of it. */
  readonly passedOn: boolean;
}

/** These alone are of requests that were answered well. */
const harmless: ReadonlySet<string> = new Set(['DI', 'FB']);

export function hopOf(record: RequestRecord): Hop {
  const { started, phases, flags, status, grpcStatus } = record;
  const list = flags === '' ? [] : flags.split(',');
  const badly = status >= 500 || (grpcStatus !== '' && grpcStatus !== '0');
  return {
    record,
    direction: record.direction,
    service: shortName(record.service),
    startedMs: started === undefined ? 0 : Number(started.seconds) * 1_000 + started.nanos / 1_000_000,
    durationMs: Math.max(0, ms(record.duration)),
    routedMs: ms(phases?.routed),
    admittedMs: ms(phases?.admitted),
    requestWholeMs: ms(phases?.requestWhole),
    firstByteMs: ms(phases?.firstByte),
    flags: list,
    failed: list.length > 0 || badly,
    broken: badly || list.some((flag) => !harmless.has(flag)),
    limit: limitOf(record),
    attempts: record.attempts.map((attempt) => ({
      ...{ cluster: attempt.cluster, host: attempt.host, status: attempt.status, flag: attempt.flag },
      ...{ details: attempt.details, reused: attempt.reused, why: attempt.why, spanId: attempt.spanId },
      startedMs: ms(attempt.started),
      sentMs: ms(attempt.sent),
      firstByteMs: ms(attempt.firstByte),
      endedMs: ms(attempt.ended),
    })),
  };
}

function ms(duration: Duration | undefined): number {
  return duration === undefined ? -1 : Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
}

/** Its rule may also be one that let it pass. */
function limitOf({ rule, route }: RequestRecord): LimitSetter | null {
  return /^(?:TrafficPolicy|HTTPRoute|GRPCRoute) /.test(rule) ? { rule, route, passedOn: false } : null;
}

/** `shop/orders` → `orders`. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** `0.42 ms`, `5.2 ms`, `340 ms`, `2.1 s`, as people say it. */
export function timeText(durationMs: number): string {
  if (durationMs >= 10_000) return `${Math.round(durationMs / 100) / 10} s`;
  if (durationMs >= 1_000) return `${Math.round(durationMs / 10) / 100} s`;
  if (durationMs >= 100) return `${Math.round(durationMs)} ms`;
  return durationMs >= 1 ? `${Math.round(durationMs * 10) / 10} ms` : `${Math.round(durationMs * 100) / 100} ms`;
}
