/** Of a request that did not fail: where its time went, by the hop that took most of it for itself. */
import { type Hop, shortName, timeText } from './hop.ts';
import type { OrderedHop } from './order-hops.ts';

/** Shorter ones are told to be fine. */
const notableMs = 100;

export function timeSpent(ordered: readonly OrderedHop[]): string[] {
  const root = ordered[0]!;
  const retried = ordered.filter(({ hop }) => hop.attempts.length > 1);
  const lines = retried.map(
    ({ hop }) =>
      `${hop.service} asked ${shortName(hop.record.destination)} ${hop.attempts.length} times, and the last try was answered ${hop.record.status}.`,
  );
  if (root.hop.durationMs < notableMs)
    return lines.length > 0 ? lines : ['It was answered, and nothing was in its way.'];
  let longest = root;
  let longestMs = -1;
  for (const each of ordered) {
    const ownMs = each.hop.durationMs - Math.max(0, ...each.children.map(({ hop }) => hop.durationMs));
    if (ownMs <= longestMs) continue;
    longest = each;
    longestMs = ownMs;
  }
  return [...lines, `${timeText(longestMs)} of ${timeText(root.hop.durationMs)} ${placeOf(longest)}.`];
}

function placeOf({ hop, children }: OrderedHop): string {
  const { routedMs, admittedMs, attempts, durationMs, service } = hop;
  const held = admittedMs - Math.max(0, routedMs);
  if (held > durationMs / 2)
    return `went by in ${service}'s sidecar before the request might pass${hop.record.rule === '' ? '' : ` (${hop.record.rule})`}`;
  const last = attempts.at(-1);
  if (last === undefined) return `were spent in ${service}'s sidecar`;
  if (last.sentMs - last.startedMs > durationMs / 2) return `were waited for a connection to ${hostOf(hop)}`;
  if (attempts.length > 1 && last.startedMs > durationMs / 2) return `went by in tries that failed before`;
  if (last.firstByteMs >= 0 && durationMs - last.firstByteMs > durationMs / 2)
    return `went by while the answer of ${hostOf(hop)} was sent: it is long, or its reader is slow`;
  if (hop.direction === 'inbound')
    return `were spent in ${service} itself${children.length > 0 ? ', beside its own calls' : ''}`;
  return `were waited for the answer of ${hostOf(hop)}`;
}

function hostOf({ record, attempts, direction, service }: Hop): string {
  const host = attempts.at(-1)?.host ?? '';
  const name = direction === 'inbound' ? service : shortName(record.destination);
  return host === '' ? name : `${name} (${host})`;
}
