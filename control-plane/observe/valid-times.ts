/** Times that a sidecar tells, made such as protobuf allows: others cannot be told as JSON, nor be dates. */
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import type { Answer } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';

/** 9999-12-31T23:59:59Z. */
const mostTimestampSeconds = 253_402_300_799n;
/** About 10,000 years. */
const mostDurationSeconds = 315_576_000_000n;
const mostNanos = 999_999_999;

/** In place. Nothing that a sidecar tells of is before 1970, and nothing takes less than no time. */
export function makeTimesValid({ requests, edges, footprint }: Answer): void {
  for (const { started, duration, phases, attempts } of requests) {
    clamp(started, mostTimestampSeconds);
    clampDuration(duration);
    clampDuration(phases?.routed);
    clampDuration(phases?.admitted);
    clampDuration(phases?.requestWhole);
    clampDuration(phases?.firstByte);
    clampDuration(phases?.done);
    for (const attempt of attempts) {
      clampDuration(attempt.started);
      clampDuration(attempt.sent);
      clampDuration(attempt.firstByte);
      clampDuration(attempt.ended);
    }
  }
  for (const { interval } of edges) clampDuration(interval);
  clampDuration(footprint?.uptime);
}

function clampDuration(duration: Duration | undefined): void {
  clamp(duration, mostDurationSeconds);
}

function clamp(time: Timestamp | Duration | undefined, mostSeconds: bigint): void {
  if (time === undefined) return;
  if (time.seconds < 0n) {
    time.seconds = 0n;
    time.nanos = 0;
  } else if (time.seconds > mostSeconds) time.seconds = mostSeconds;
  time.nanos = Math.min(Math.max(time.nanos, 0), mostNanos);
}
