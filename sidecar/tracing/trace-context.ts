/** Where a request's trace comes from, by its head: the first of the configured formats that is there counts. And what callers ask of tracing. One walk over the fields. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerRole } from '../codec/header-name.ts';
import type { PropagationFormat } from '../config/tracing-config.ts';
import { parseB3Multi, parseB3Single } from './b3.ts';
import { joinTraceState, parseTraceParent } from './trace-parent.ts';

/** What was found. */
export interface IncomingTrace {
  /** 32 digits; '': it begins here. */
  readonly traceId: string;
  /** The trace id had 16 digits (B3), and goes on so in B3. */
  readonly short: boolean;
  readonly parentSpanId: string;
  readonly traceState: string;
  /** Null: nobody has decided. */
  readonly sampled: boolean | null;
  readonly debug: boolean;
  readonly random: boolean;
}

export interface TraceWishes {
  /** `x-client-trace-id` is there. */
  readonly client: boolean;
  /** `x-envoy-force-trace` is there. */
  readonly forced: boolean;
}

export const noTrace: IncomingTrace = Object.freeze({
  traceId: '',
  short: false,
  parentSpanId: '',
  traceState: '',
  sampled: null,
  debug: false,
  random: false,
});

/** Of each name the first value; of `traceparent` also that there were several, which makes it invalid. */
interface FoundFields {
  traceParent: string | undefined;
  traceParents: number;
  traceStates: string[] | null;
  b3: string | undefined;
  b3TraceId: string | undefined;
  b3SpanId: string | undefined;
  b3Sampled: string | undefined;
  b3Flags: string | undefined;
  client: boolean;
  forced: boolean;
}

export function readTraceContext(
  fields: HeaderFields,
  formats: readonly PropagationFormat[],
): IncomingTrace & TraceWishes {
  const found = findFields(fields);
  if (found === null) return nothingFound;
  const { client, forced } = found;
  for (const format of formats) {
    const trace = traceOf(format, found);
    if (trace !== null) return { ...trace, client, forced };
  }
  return { ...noTrace, client, forced };
}

function traceOf(format: PropagationFormat, found: FoundFields): IncomingTrace | null {
  if (format === 'w3c') {
    const parent =
      found.traceParent === undefined || found.traceParents > 1 ? null : parseTraceParent(found.traceParent);
    if (parent === null) return null;
    const { traceId, parentId, sampled, random } = parent;
    const traceState = found.traceStates === null ? '' : joinTraceState(found.traceStates);
    return { traceId, short: false, parentSpanId: parentId, traceState, sampled, debug: false, random };
  }
  const context =
    format === 'b3multi'
      ? parseB3Multi({
          traceId: found.b3TraceId,
          spanId: found.b3SpanId,
          sampled: found.b3Sampled,
          flags: found.b3Flags,
        })
      : found.b3 === undefined
        ? null
        : parseB3Single(found.b3);
  if (context === null) return null;
  const { traceId, spanId, sampled, debug } = context;
  const short = traceId.length === 16;
  return {
    traceId: short ? `0000000000000000${traceId}` : traceId,
    short,
    parentSpanId: spanId,
    traceState: '',
    sampled,
    debug,
    random: false,
  };
}

const nothingFound: IncomingTrace & TraceWishes = Object.freeze({ ...noTrace, client: false, forced: false });

/** Null: there is nothing about traces, as in most requests that begin one. */
function findFields({ names, values }: HeaderFields): FoundFields | null {
  let found: FoundFields | null = null;
  for (let i = 0; i < names.length; i++) {
    const { role, lower } = names[i]!;
    if (role !== headerRole.traceContext && role !== headerRole.envoyControl) continue;
    found ??= noFields();
    take(found, lower, values[i]!);
  }
  return found;
}

function noFields(): FoundFields {
  return {
    traceParent: undefined,
    traceParents: 0,
    traceStates: null,
    b3: undefined,
    b3TraceId: undefined,
    b3SpanId: undefined,
    b3Sampled: undefined,
    b3Flags: undefined,
    client: false,
    forced: false,
  };
}

function take(found: FoundFields, name: string, value: string): void {
  switch (name) {
    case 'traceparent':
      found.traceParent = value;
      found.traceParents++;
      break;
    case 'tracestate':
      (found.traceStates ??= []).push(value);
      break;
    case 'b3':
      found.b3 ??= value;
      break;
    case 'x-b3-traceid':
      found.b3TraceId ??= value;
      break;
    case 'x-b3-spanid':
      found.b3SpanId ??= value;
      break;
    case 'x-b3-sampled':
      found.b3Sampled ??= value;
      break;
    case 'x-b3-flags':
      found.b3Flags ??= value;
      break;
    case 'x-client-trace-id':
      found.client = true;
      break;
    case 'x-envoy-force-trace':
      found.forced = true;
  }
}

/** The trace that a request carries past a proxy which does not trace, for its record; '': none. */
export function passingTraceId(fields: HeaderFields): string {
  const parent = fields.get('traceparent');
  if (parent !== undefined) return parseTraceParent(parent)?.traceId ?? '';
  const single = fields.get('b3');
  const traceId = single === undefined ? (fields.get('x-b3-traceid') ?? '') : (parseB3Single(single)?.traceId ?? '');
  return /^(?:[0-9a-f]{16}){1,2}$/.test(traceId) ? traceId.padStart(32, '0') : '';
}
