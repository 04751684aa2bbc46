/** A request's hops as bars on one line of time: one for each sidecar that saw it, and one for each attempt below. Drawn by waterfall-chart.tsx. */
import type { AttemptRecord, RequestRecord } from '../data/mesh-data.ts';
import { durationMs } from '../data/words.ts';

export interface Bar {
  readonly depth: number;
  readonly label: string;
  /** What it is, beside the label. */
  readonly note: string;
  readonly kind: 'hop' | 'attempt';
  readonly failed: boolean;
  /** From the beginning of the first hop. */
  readonly startMs: number;
  readonly endMs: number;
  /** Moments in it. */
  readonly marks: ReadonlyArray<{ readonly name: string; readonly atMs: number }>;
}

export interface Waterfall {
  readonly bars: readonly Bar[];
  readonly totalMs: number;
}

export function waterfall(hops: ReadonlyArray<{ readonly depth: number; readonly record: RequestRecord }>): Waterfall {
  const times = hops.map(({ record }) => momentMs(record.started)).filter((each) => !Number.isNaN(each));
  const firstMs = times.length === 0 ? 0 : Math.min(...times);
  const bars = hops.flatMap(({ depth, record }): Bar[] => {
    const startedMs = momentMs(record.started);
    // Clocks of several machines differ: a hop that seems to begin before the first one begins with it.
    const startMs = Number.isNaN(startedMs) ? 0 : Math.max(0, startedMs - firstMs);
    const hop: Bar = {
      depth,
      label: `${record.service ?? 'a sidecar'} ${record.direction === 'inbound' ? 'in' : 'out'}`,
      note: [statusOf(record), record.flags].filter(Boolean).join(' '),
      kind: 'hop',
      failed: isFailed(record),
      startMs,
      endMs: startMs + (durationMs(record.duration) ?? 0),
      marks: marksOf(startMs, record.phases ?? {}, phaseWords),
    };
    const { attempts = [] } = record;
    return [hop, ...attempts.map((attempt, at) => attemptBar(attempt, at, depth + 1, startMs, hop.endMs))];
  });
  return { bars, totalMs: bars.reduce((most, { endMs }) => Math.max(most, endMs), 0) };
}

/** Of a protobuf timestamp, with its microseconds, which a Date has not; NaN: it is none. */
function momentMs(text = ''): number {
  const finer = /\.\d{3}(\d+)Z$/.exec(text)?.[1] ?? '0';
  return Date.parse(text) + Number(`0.${finer}`);
}

const phaseWords: ReadonlyArray<readonly [string, string]> = [
  ['routed', 'routed'],
  ['admitted', 'admitted'],
  ['requestWhole', 'request whole'],
  ['firstByte', 'first byte'],
];

const attemptWords: ReadonlyArray<readonly [string, string]> = [
  ['sent', 'sent'],
  ['firstByte', 'first byte'],
];

function attemptBar(attempt: AttemptRecord, at: number, depth: number, hopMs: number, hopEndMs: number): Bar {
  const startMs = hopMs + (durationMs(attempt.started) ?? 0);
  const { why = 'first' } = attempt;
  return {
    depth,
    label: `attempt ${at + 1}${why === 'first' ? '' : ` (${why})`}`,
    note: [
      attempt.host || 'no host',
      attempt.status === undefined || attempt.status === 0 ? 'no answer' : attempt.status,
      attempt.flag,
    ]
      .filter(Boolean)
      .join(' '),
    kind: 'attempt',
    failed: (attempt.flag ?? '') !== '' || (attempt.status ?? 0) === 0 || (attempt.status ?? 0) >= 500,
    startMs,
    endMs: attempt.ended === undefined ? hopEndMs : hopMs + (durationMs(attempt.ended) ?? 0),
    marks: marksOf(hopMs, attempt as Readonly<Record<string, unknown>>, attemptWords),
  };
}

function marksOf(
  startMs: number,
  times: Readonly<Record<string, unknown>>,
  words: ReadonlyArray<readonly [string, string]>,
): Bar['marks'] {
  return words.flatMap(([key, name]) => {
    const text = times[key];
    const ms = typeof text === 'string' ? durationMs(text) : null;
    return ms === null ? [] : [{ name, atMs: startMs + ms }];
  });
}

export function statusOf({ status = 0, grpcStatus = '' }: RequestRecord): string {
  const text = status === 0 ? 'no answer' : String(status);
  return grpcStatus === '' ? text : `${text} grpc ${grpcStatus}`;
}

/** As RequestFilter.errors has it: a flag, a status of 500 or more, or a gRPC status other than 0. */
export function isFailed({ status = 0, grpcStatus = '', flags = '' }: RequestRecord): boolean {
  return flags !== '' || status >= 500 || status === 0 || (grpcStatus !== '' && grpcStatus !== '0');
}
