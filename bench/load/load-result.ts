/** What any load generator reports about one run. */
export interface LoadResult {
  /** Answers that came, good or bad. */
  readonly requests: number;
  /** Anything but a 2xx answer with what was asked for: other statuses, resets, time-outs, short bodies. */
  readonly failures: number;
  /** What went wrong, in the tool's words; '' when nothing did. */
  readonly failureText: string;
  readonly seconds: number;
  readonly tool: string;
  /** Of each request that counts, in microseconds, in any order; empty where the tool keeps none. */
  readonly latenciesMicros: Float64Array;
}

export const noLatencies: Float64Array = new Float64Array(0);
