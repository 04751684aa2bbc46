/** B3 (openzipkin/b3-propagation), in one field (`b3`) and in several (`x-b3-…`). Text only. What is not valid counts as not there. Ids are hexadecimal digits in lower case; trace ids may have 16 of them. */
import { isHex, isZero } from './trace-ids.ts';

export interface B3Context {
  /** 16 or 32 digits; '': there are no ids, only a decision. */
  readonly traceId: string;
  readonly spanId: string;
  /** Null: the next one decides. */
  readonly sampled: boolean | null;
  /** To be sampled by all, and kept. */
  readonly debug: boolean;
}

/** `{trace id}-{span id}[-{sampled}[-{parent span id}]]`, or `{sampled}` alone. Null: it is not valid. */
export function parseB3Single(text: string): B3Context | null {
  const parts = text.split('-', 5);
  const [traceId = '', spanId = '', state, parentId] = parts;
  if (parts.length === 1) {
    const decision = stateOf(traceId);
    return decision === null ? null : { traceId: '', spanId: '', ...decision };
  }
  if (parts.length > 4 || !isTraceId(traceId) || !isSpanId(spanId)) return null;
  if (parentId !== undefined && !isSpanId(parentId)) return null;
  if (state === undefined) return { traceId, spanId, sampled: null, debug: false };
  const decision = stateOf(state);
  return decision === null ? null : { traceId, spanId, ...decision };
}

function stateOf(text: string): Pick<B3Context, 'sampled' | 'debug'> | null {
  if (text === '1' || text === '0') return { sampled: text === '1', debug: false };
  return text === 'd' ? { sampled: true, debug: true } : null;
}

/** What the fields of that name say; undefined: there is none. */
export interface B3Fields {
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  readonly sampled: string | undefined;
  readonly flags: string | undefined;
}

/** Null: there is nothing valid in them. */
export function parseB3Multi({ traceId, spanId, sampled, flags }: B3Fields): B3Context | null {
  const debug = flags === '1';
  const decision = debug ? true : sampledOf(sampled);
  if (traceId === undefined && spanId === undefined)
    return decision === null ? null : { traceId: '', spanId: '', sampled: decision, debug };
  if (traceId === undefined || spanId === undefined || !isTraceId(traceId) || !isSpanId(spanId)) return null;
  return { traceId, spanId, sampled: decision, debug };
}

/** Old senders write words. */
function sampledOf(text: string | undefined): boolean | null {
  if (text === '1' || text === 'true') return true;
  return text === '0' || text === 'false' ? false : null;
}

/** `parentId` '': it is the root. */
export function formatB3Single({ traceId, spanId, sampled, debug }: B3Context, parentId: string): string {
  const state = debug ? '-d' : sampled === null ? '' : sampled ? '-1' : '-0';
  return `${traceId}-${spanId}${state}${parentId === '' || state === '' ? '' : `-${parentId}`}`;
}

function isTraceId(text: string): boolean {
  return (text.length === 32 || text.length === 16) && isHex(text, 0, text.length) && !isZero(text);
}

function isSpanId(text: string): boolean {
  return text.length === 16 && isHex(text, 0, 16) && !isZero(text);
}
