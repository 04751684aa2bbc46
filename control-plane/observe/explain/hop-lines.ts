/** The hops of a request as lines of text, one below the other, indented by who called whom. */
import { count } from './flag-cause.ts';
import { type Hop, type HopAttempt, shortName, timeText } from './hop.ts';
import type { OrderedHop } from './order-hops.ts';

/** What a try's reason is called. */
const whyTried: Readonly<Record<string, string>> = {
  policy: 'a retry',
  hedge: 'beside the one before',
  fallback: 'the fallback',
};

export function hopLines(hops: readonly OrderedHop[]): string[] {
  const names = hops.map(({ hop, depth }) => `${'  '.repeat(depth)}${hop.service}`);
  const width = Math.max(...names.map((name) => name.length), 0);
  const lines: string[] = [];
  for (const [i, ordered] of hops.entries()) {
    const { hop, depth } = ordered;
    lines.push(
      `${names[i]!.padEnd(width)}  sidecar ${sideOf(hop)}  ${whatHappened(hop)}  ${answerOf(hop)} in ${timeText(hop.durationMs)}`,
    );
    const indent = `${' '.repeat(width)}    `;
    for (const line of attemptLines(hop)) lines.push(indent + line);
    for (const { host, why } of hop.record.passedOver) lines.push(`${indent}passed over ${host}: ${why}`);
    const missing = notReached(ordered);
    if (missing !== '')
      lines.push(`${`${'  '.repeat(depth + 1)}${missing}`.padEnd(width)}  sidecar in   never reached`);
  }
  return lines;
}

function sideOf({ direction }: Hop): string {
  return direction === 'inbound' ? 'in ' : direction === 'outbound' ? 'out' : '   ';
}

function whatHappened({ record, attempts, direction }: Hop): string {
  const route = record.route === '' ? (record.status === 404 ? 'no route' : '') : `route ${record.route}`;
  const to =
    direction === 'inbound'
      ? attempts.length > 0
        ? '→ the application'
        : 'the application was not asked'
      : `→ ${portOf(record.cluster) === '' ? shortName(record.destination) : `${shortName(record.destination)}:${portOf(record.cluster)}`}`;
  const tries = attempts.length === 0 ? 'not sent' : count(attempts.length, 'attempt');
  return [route, to, direction === 'inbound' && attempts.length <= 1 ? '' : `  ${tries}`]
    .filter((part) => part !== '')
    .join(' ');
}

/** `outbound|80|v1|payments.shop` → `80`. */
function portOf(cluster: string): string {
  return /^outbound\|(\d+)\|/.exec(cluster)?.[1] ?? '';
}

function answerOf({ record }: Hop): string {
  const grpc = record.grpcStatus === '' || record.grpcStatus === '0' ? '' : ` (gRPC ${record.grpcStatus})`;
  return `${record.status}${grpc}${record.flags === '' ? '' : ` ${record.flags}`}`;
}

/** One that went well says nothing that its hop does not. */
function attemptLines({ attempts }: Hop): string[] {
  if (attempts.length === 1 && attempts[0]!.flag === '') {
    const [attempt] = attempts;
    return attempt!.host === '' ? [] : [`${attempt!.host}${timesOf(attempt!)}`];
  }
  return attempts.map((attempt, i) => {
    const why = attempt.why === 'connection' ? atNoCharge(attempts[i - 1]) : (whyTried[attempt.why] ?? '');
    const outcome =
      attempt.flag === ''
        ? attempt.status === 0
          ? 'given up'
          : `answered ${attempt.status}`
        : `${attempt.flag}${attempt.status === 0 ? '' : ` (${attempt.status})`}`;
    return `attempt ${i + 1}${why === '' ? '' : ` (${why})`}  ${attempt.host || 'no host'}  ${outcome}${timesOf(attempt)}`;
  });
}

/** `before`: the try that this one stands for. */
function atNoCharge(before: HopAttempt | undefined): string {
  const why =
    before?.flag === 'UF'
      ? 'no connection could be made'
      : before?.flag === 'UR'
        ? 'the host had not taken it'
        : 'its connection was gone';
  return `again at no charge: ${why}`;
}

function timesOf({ startedMs, sentMs, firstByteMs, endedMs }: HopAttempt): string {
  const parts: string[] = [];
  if (startedMs >= 0) parts.push(`from ${timeText(startedMs)}`);
  if (sentMs >= 0) parts.push(`sent ${timeText(sentMs)}`);
  if (firstByteMs >= 0) parts.push(`first byte ${timeText(firstByteMs)}`);
  if (endedMs >= 0) parts.push(`over ${timeText(endedMs)}`);
  return parts.length === 0 ? '' : `  ${parts.join(', ')}`;
}

/** The service that should have been next, where nobody there has seen it and this hop says that it was not sent; ''. */
function notReached({ hop, children }: OrderedHop): string {
  if (hop.direction !== 'outbound' || children.length > 0 || !hop.failed) return '';
  const sent = hop.attempts.some(({ sentMs }) => sentMs >= 0);
  const { destination } = hop.record;
  return sent || destination === '' || destination === 'unknown' ? '' : shortName(destination);
}
