/** `traceparent` and `tracestate` by the W3C recommendation Trace Context (Level 2): what is not valid counts as not there, and a trace begins anew. Text only; which request it is from is trace-context.ts's. */
import { RandomTexts } from '../runtime/random-texts.ts';
import { isHex, isZero } from './trace-ids.ts';

export interface TraceParent {
  readonly traceId: string;
  readonly parentId: string;
  readonly sampled: boolean;
  /** The trace id was made at random, which its maker says (flag 0x02): handed on as it came. */
  readonly random: boolean;
}

/** Of version 00: `00-`, 32, `-`, 16, `-`, 2 digits. */
const length = 55;
const dash = 0x2d;
const sampledFlag = 1;
const randomFlag = 2;

/** Null: it is not valid (3.2). Of later versions what we know is read, and what follows it is not. */
export function parseTraceParent(text: string): TraceParent | null {
  if (text.length < length || !isHex(text, 0, 2) || text.startsWith('ff')) return null;
  if (text.length > length && (text.startsWith('00') || text.charCodeAt(length) !== dash)) return null;
  if (text.charCodeAt(2) !== dash || text.charCodeAt(35) !== dash || text.charCodeAt(52) !== dash) return null;
  if (!isHex(text, 3, 32) || !isHex(text, 36, 16) || !isHex(text, 53, 2)) return null;
  const traceId = traceIdIn(text);
  const parentId = parentIdIn(text);
  if (isZero(traceId) || isZero(parentId)) return null;
  const flags = Number.parseInt(text.slice(53, 55), 16);
  return { traceId, parentId, sampled: (flags & sampledFlag) !== 0, random: (flags & randomFlag) !== 0 };
}

/** Version 00. Flags that nobody has given a meaning are 0. */
export function formatTraceParent({ traceId, parentId, sampled, random }: TraceParent): string {
  return `00-${traceId}-${parentId}-0${(sampled ? sampledFlag : 0) | (random ? randomFlag : 0)}`;
}

const newTraces = new RandomTexts('00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-00');

/** That of a new trace and its first span, which nobody has decided to record: of most requests this is all that is ever made of their trace. */
export function newTraceParent(): string {
  for (;;) {
    const text = newTraces.next();
    if (!isZero(text, 3, 35) && !isZero(text, 36, 52)) return text;
  }
}

/** Of what is valid. */
export function traceIdIn(traceParent: string): string {
  return traceParent.slice(3, 35);
}

/** Of what is valid. */
export function parentIdIn(traceParent: string): string {
  return traceParent.slice(36, 52);
}

const mostMembers = 32;
/** So much has to be handed on (3.3.1.5); what is longer is left out, long members first. */
const mostLength = 512;
const longMember = 128;
/** Level 2: with a digit in front, and `@` anywhere behind it. What Level 1 allows is of these too. */
const memberKey = /^[a-z0-9][-_*/@a-z0-9]{0,255}$/;
/** Printable ASCII but `,` and `=`; no blank at the end. */
const memberValue = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Several fields of that name are one list, in their order. '' where it is not valid, or empty: it goes, while `traceparent` counts (3.3). */
export function joinTraceState(values: readonly string[]): string {
  const text = values.length === 1 ? values[0]! : values.join(',');
  // Nobody sends more in earnest.
  if (text.length > 8_192) return '';
  let members: string[] = [];
  const keys = new Set<string>();
  for (const part of text.split(',')) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, '');
    if (member === '') continue;
    const equals = member.indexOf('=');
    const key = member.slice(0, equals);
    const valid = memberKey.test(key) && memberValue.test(member.slice(equals + 1));
    if (equals < 0 || !valid || keys.has(key) || keys.size === mostMembers) return '';
    keys.add(key);
    members.push(member);
  }
  let total = members.reduce((sum, member) => sum + member.length + 1, -1);
  if (total > mostLength) {
    members = members.filter((member) => member.length <= longMember);
    total = members.reduce((sum, member) => sum + member.length + 1, -1);
  }
  while (total > mostLength) total -= members.pop()!.length + 1;
  return members.join(',');
}
