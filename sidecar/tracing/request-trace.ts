/** The trace of one request at this hop: its ids, whether it was chosen, and how it goes on in each attempt. Made only where requests are traced. Makes no spans; see request-spans.ts. */
import type { HeaderFields } from '../codec/header-fields.ts';
import { headerName } from '../codec/header-name.ts';
import type { PropagationFormat } from '../config/tracing-config.ts';
import { formatB3Single } from './b3.ts';
import type { IncomingTrace } from './trace-context.ts';
import { newSpanId } from './trace-ids.ts';
import { formatTraceParent, newTraceParent, parentIdIn, traceIdIn } from './trace-parent.ts';

const names = {
  traceParent: headerName('traceparent'),
  traceState: headerName('tracestate'),
  b3: headerName('b3'),
  b3TraceId: headerName('x-b3-traceid'),
  b3SpanId: headerName('x-b3-spanid'),
  b3ParentSpanId: headerName('x-b3-parentspanid'),
  b3Sampled: headerName('x-b3-sampled'),
  b3Flags: headerName('x-b3-flags'),
};

/** How traces go on; of a connection manager. */
export interface Propagation {
  readonly formats: readonly PropagationFormat[];
  /** Each attempt has a span of its own, whose id it carries; else all carry that of the request's span. */
  readonly spanPerAttempt: boolean;
}

export class RequestTrace {
  readonly #propagation: Propagation;
  readonly #incoming: IncomingTrace;
  readonly #debug: boolean;
  /** A trace that begins here, as its first attempt carries it if nobody records it; '': it comes from elsewhere. */
  readonly #begun: string;
  #traceId: string;
  #spanId = '';
  #firstAttempt = true;
  /** The head decision, which every attempt carries. */
  readonly sampled: boolean;

  /** `trusted`: the caller may have it that every hop traces this (B3's debug): of others the next hop, which trusts us, hears the decision alone. */
  constructor(propagation: Propagation, incoming: IncomingTrace, sampled: boolean, trusted: boolean) {
    this.#debug = trusted && sampled && incoming.debug;
    this.#propagation = propagation;
    this.#incoming = incoming;
    this.#traceId = incoming.traceId;
    this.#begun = incoming.traceId === '' ? newTraceParent() : '';
    this.sampled = sampled;
  }

  get traceId(): string {
    if (this.#traceId === '') this.#traceId = traceIdIn(this.#begun);
    return this.#traceId;
  }

  /** Of the request's span here. Made when it is first asked for: of a request that leaves no span nobody does. */
  get spanId(): string {
    if (this.#spanId === '') this.#spanId = newSpanId();
    return this.#spanId;
  }

  /** Empty: it begins here. */
  get parentSpanId(): string {
    return this.#incoming.parentSpanId;
  }

  get traceState(): string {
    return this.#incoming.traceState;
  }

  /** Writes it into the head of an attempt, as all configured formats say it. Returns the id of the attempt's span. */
  continueIn(fields: HeaderFields): string {
    const { formats, spanPerAttempt } = this.#propagation;
    const asBegun = this.#firstAttempt && this.#begun !== '' && spanPerAttempt;
    this.#firstAttempt = false;
    const spanId = asBegun ? parentIdIn(this.#begun) : spanPerAttempt ? newSpanId() : this.spanId;
    for (let i = 0; i < formats.length; i++) {
      const format = formats[i]!;
      if (format === 'w3c') this.#writeW3c(fields, spanId, asBegun);
      else if (format === 'b3') fields.set(names.b3, this.#b3(spanId));
      else this.#writeB3Multi(fields, spanId);
    }
    return spanId;
  }

  #writeW3c(fields: HeaderFields, spanId: string, asBegun: boolean): void {
    const { sampled } = this;
    const { traceState, random } = this.#incoming;
    const text =
      asBegun && !sampled
        ? this.#begun
        : formatTraceParent({ traceId: this.traceId, parentId: spanId, sampled, random });
    fields.set(names.traceParent, text);
    if (traceState === '') fields.delete('tracestate');
    else fields.set(names.traceState, traceState);
  }

  get #b3TraceId(): string {
    return this.#incoming.short ? this.traceId.slice(16) : this.traceId;
  }

  #b3(spanId: string): string {
    const { sampled } = this;
    return formatB3Single({ traceId: this.#b3TraceId, spanId, sampled, debug: this.#debug }, this.#parentOf(spanId));
  }

  #writeB3Multi(fields: HeaderFields, spanId: string): void {
    const parentId = this.#parentOf(spanId);
    fields.set(names.b3TraceId, this.#b3TraceId);
    fields.set(names.b3SpanId, spanId);
    if (parentId === '') fields.delete('x-b3-parentspanid');
    else fields.set(names.b3ParentSpanId, parentId);
    // Debug implies the decision, which is not said beside it.
    if (this.#debug) {
      fields.set(names.b3Flags, '1');
      fields.delete('x-b3-sampled');
    } else {
      fields.delete('x-b3-flags');
      fields.set(names.b3Sampled, this.sampled ? '1' : '0');
    }
  }

  #parentOf(spanId: string): string {
    return spanId === this.spanId ? this.#incoming.parentSpanId : this.spanId;
  }
}
