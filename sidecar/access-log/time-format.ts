/**
 * Times as an access log writes them: strftime specifiers, compiled once, with Envoy's additions for fractions of a second (`%f`, `%3f`, `%6f`, `%9f`, and `%E3S`). What is finer than the clock is
 * zeros. A specifier that is not known is a fault of the configuration.
 */

export type TimeFormat = (wallMs: number) => string;

type Zone = 'utc' | 'local';
type Part = (time: Moment) => string;

interface Moment {
  readonly wallMs: number;
  /** The time of the zone, in the fields that Date has for UTC. */
  readonly date: Date;
  /** Minutes east of Greenwich. */
  readonly offset: number;
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July'].concat([
  'August',
  'September',
  'October',
  'November',
  'December',
]);

/** `2026-11-29T04:35:36.123Z`, as where no format is given. The last second's text is kept, and that of its last millisecond: requests end close to each other. */
export function isoTime(): TimeFormat {
  let second = NaN;
  let untilMs = '';
  let lastMs = -1;
  let text = '';
  return (wallMs) => {
    const whole = Math.floor(wallMs / 1000);
    const ms = Math.floor(wallMs - whole * 1000);
    if (ms === lastMs && whole === second) return text;
    if (whole !== second) {
      second = whole;
      untilMs = new Date(whole * 1000).toISOString().slice(0, 20);
    }
    lastMs = ms;
    text = `${untilMs}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
    return text;
  };
}

/** Throws an Error that names the specifier that is not supported. '' is the form of isoTime(). */
export function compileTimeFormat(format: string, zone: Zone): TimeFormat {
  if (format === '' && zone === 'utc') return isoTime();
  const parts = partsOf(format === '' ? '%Y-%m-%dT%H:%M:%E3S%z' : format);
  return (wallMs) => {
    const offset = zone === 'utc' ? 0 : -new Date(wallMs).getTimezoneOffset();
    const time: Moment = { wallMs, date: new Date(wallMs + offset * 60_000), offset };
    let text = '';
    for (const part of parts) text += part(time);
    return text;
  };
}

function partsOf(format: string): readonly Part[] {
  const parts: Part[] = [];
  const specifier = /%(?:E([1-9]|\*)S|E4Y|E\*?z|ET|([1-9])?f|([A-Za-z%]))/g;
  let at = 0;
  for (const match of format.matchAll(specifier)) {
    literal(parts, format.slice(at, match.index));
    at = match.index + match[0].length;
    parts.push(partOf(match[0], match[1], match[2], match[3]));
  }
  literal(parts, format.slice(at));
  return parts;
}

function literal(parts: Part[], text: string): void {
  if (text.includes('%')) throw new Error(`${JSON.stringify(text)} is not a time specifier that is supported`);
  if (text !== '') parts.push(() => text);
}

function partOf(whole: string, seconds: string | undefined, digits: string | undefined, letter = ''): Part {
  if (seconds !== undefined) return secondsWithFraction(seconds);
  switch (whole) {
    case '%E4Y':
      return ({ date }) => pad(date.getUTCFullYear(), 4);
    case '%Ez':
    case '%E*z':
      return ({ offset }) => zoneOffset(offset, ':');
    case '%ET':
      return () => 'T';
  }
  if (letter === '') return fraction(Number(digits ?? 9));
  const part = specifiers[letter];
  if (part === undefined) throw new Error(`%${letter} is not a time specifier that is supported`);
  return part;
}

/** `*`: as many digits as are not zero. */
function secondsWithFraction(digits: string): Part {
  if (digits !== '*') {
    const rest = fraction(Number(digits));
    return (time) => `${pad(time.date.getUTCSeconds(), 2)}.${rest(time)}`;
  }
  const rest = fraction(9);
  return (time) => `${pad(time.date.getUTCSeconds(), 2)}.${rest(time)}`.replace(/\.?0+$/, '');
}

function fraction(digits: number): Part {
  return ({ wallMs }) => {
    const micros = Math.floor((wallMs - Math.floor(wallMs / 1000) * 1000) * 1000);
    return pad(micros, 6).padEnd(9, '0').slice(0, digits);
  };
}

const specifiers: Readonly<Record<string, Part>> = {
  '%': () => '%',
  a: ({ date }) => days[date.getUTCDay()]!.slice(0, 3),
  A: ({ date }) => days[date.getUTCDay()]!,
  b: ({ date }) => months[date.getUTCMonth()]!.slice(0, 3),
  h: ({ date }) => months[date.getUTCMonth()]!.slice(0, 3),
  B: ({ date }) => months[date.getUTCMonth()]!,
  d: ({ date }) => pad(date.getUTCDate(), 2),
  D: ({ date }) =>
    `${pad(date.getUTCMonth() + 1, 2)}/${pad(date.getUTCDate(), 2)}/${pad(date.getUTCFullYear() % 100, 2)}`,
  e: ({ date }) => String(date.getUTCDate()).padStart(2, ' '),
  F: ({ date }) => `${date.getUTCFullYear()}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`,
  H: ({ date }) => pad(date.getUTCHours(), 2),
  I: ({ date }) => pad(date.getUTCHours() % 12 || 12, 2),
  j: ({ date }) => pad(Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1, 3),
  m: ({ date }) => pad(date.getUTCMonth() + 1, 2),
  M: ({ date }) => pad(date.getUTCMinutes(), 2),
  n: () => '\n',
  p: ({ date }) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  R: ({ date }) => `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}`,
  s: ({ wallMs }) => String(Math.floor(wallMs / 1000)),
  S: ({ date }) => pad(date.getUTCSeconds(), 2),
  t: () => '\t',
  T: ({ date }) => `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}:${pad(date.getUTCSeconds(), 2)}`,
  u: ({ date }) => String(date.getUTCDay() || 7),
  w: ({ date }) => String(date.getUTCDay()),
  y: ({ date }) => pad(date.getUTCFullYear() % 100, 2),
  Y: ({ date }) => String(date.getUTCFullYear()),
  z: ({ offset }) => zoneOffset(offset, ''),
  Z: ({ offset }) => (offset === 0 ? 'UTC' : zoneOffset(offset, '')),
};

function zoneOffset(minutes: number, separator: string): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60), 2)}${separator}${pad(size % 60, 2)}`;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
