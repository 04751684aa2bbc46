/** Durations as flags take them: `10s`, `1h30m`, `7d`. */
import { UserError } from './user-error.ts';

const unitMs: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 };

/** Milliseconds, within limits. Throws a UserError that names the flag. */
export function parseDuration(flag: string, text: string, fromMs: number, toMs: number): number {
  let sum = 0;
  for (const [, digits, unit] of text.matchAll(/(\d{1,6})([dhms])/g)) sum += Number(digits) * unitMs[unit!]!;
  if (!/^(?:\d{1,6}[dhms])+$/.test(text))
    throw new UserError(
      `${flag}: ${JSON.stringify(text)} is not a duration; write it as 30s, 90m or 24h, from ${durationText(fromMs)} to ${durationText(toMs)}`,
      2,
    );
  if (sum < fromMs || sum > toMs)
    throw new UserError(`${flag}: ${text} is not from ${durationText(fromMs)} to ${durationText(toMs)}`, 2);
  return sum;
}

function durationText(ms: number): string {
  const [unit, size] = Object.entries(unitMs).find(([, size]) => ms % size === 0) ?? ['s', 1_000];
  return `${ms / size}${unit}`;
}
