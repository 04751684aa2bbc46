/** A span of time as people say it: `3 d`, `5 h`, `12 min`, `40 s`; rounded down, as it is mostly what is left. */
export function spanText(ms: number): string {
  const hours = ms / 3_600_000;
  if (hours >= 48) return `${Math.floor(hours / 24)} d`;
  if (hours >= 2) return `${Math.floor(hours)} h`;
  return ms >= 120_000 ? `${Math.floor(ms / 60_000)} min` : `${Math.max(0, Math.floor(ms / 1000))} s`;
}
