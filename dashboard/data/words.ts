/** Figures and times as a person reads them. */

export function rateText(perSecond: number): string {
  if (perSecond === 0) return '0/s';
  if (perSecond < 0.1) return '< 0.1/s';
  return perSecond < 100 ? `${perSecond.toFixed(1)}/s` : `${Math.round(perSecond).toLocaleString('en')}/s`;
}

/** '–': not known. */
export function msText(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–';
  if (ms > 0 && ms < 0.005) return '< 0.01 ms';
  if (ms < 1) return `${Math.round(ms * 100) / 100} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** Never 0 % or 100 % of what is not: `99.9 %` may be rounded up, a single failure may not be rounded away. */
export function shareText(part: number, whole: number): string {
  if (whole <= 0) return '–';
  const percent = (part / whole) * 100;
  if (percent > 0 && percent < 0.1) return '< 0.1 %';
  if (percent < 100 && percent > 99.9) return '> 99.9 %';
  return `${percent % 1 === 0 ? percent : percent.toFixed(1)} %`;
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** `in 3 h`, `12 min ago`: from `nowMs` to `atMs`. */
export function fromNow(atMs: number, nowMs: number): string {
  const text = spanText(Math.abs(atMs - nowMs));
  return atMs >= nowMs ? `in ${text}` : `${text} ago`;
}

export function spanText(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 72 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** A protobuf duration (`0.0052s`) in ms; null: there is none. */
export function durationMs(text: string | undefined): number | null {
  if (text === undefined) return null;
  const seconds = /^(-?\d+(?:\.\d+)?)s$/.exec(text)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1_000;
}

/** `12:03:41.512`, of this machine's zone. */
export function clockText(iso: string | undefined): string {
  const at = new Date(iso ?? '');
  if (Number.isNaN(at.getTime())) return '–';
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}
