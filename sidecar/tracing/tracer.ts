/**
 * Traces the requests of one connection manager: reads where a trace comes from and decides at the head, and makes spans of those that were chosen at the end. Nothing but ids and a decision exists of a request meanwhile.
 * Where spans go is the sink's (tracing/export/).
 */
import type { HeaderFields } from '../codec/header-fields.ts';
import type { CustomTagConfig, RouteTracingConfig, TracingConfig } from '../config/tracing-config.ts';
import type { RequestRecord } from '../recorder/request-record.ts';
import type { Random } from '../runtime/clock.ts';
import { HeadSampling } from './head-sampling.ts';
import { requestSpans, type TracedRequest } from './request-spans.ts';
import { type Propagation, RequestTrace } from './request-trace.ts';
import type { SpanSink } from './span.ts';
import { readTraceContext } from './trace-context.ts';

export class Tracer {
  readonly #config: TracingConfig;
  /** Null: spans go nowhere, and traces are handed on all the same. */
  readonly #sink: SpanSink | null;
  readonly #sampling: HeadSampling;
  readonly #propagation: Propagation;
  readonly #keepsSome: boolean;

  constructor(config: TracingConfig, sink: SpanSink | null, random: Random) {
    this.#config = config;
    this.#sink = sink;
    this.#sampling = new HeadSampling(config.ratePerSecond, random);
    this.#propagation = { formats: config.propagation, spanPerAttempt: config.spawnUpstreamSpan };
    this.#keepsSome = config.tailKeep.errors || config.tailKeep.slowerThanMs !== Infinity;
  }

  /** `trusted`: the caller may ask for its request to be traced. `route`: what the route says of tracing; null: nothing. */
  begin(fields: HeaderFields, trusted: boolean, route: RouteTracingConfig | null, nowMs: number): RequestTrace {
    const config = this.#config;
    const incoming = readTraceContext(fields, config.propagation);
    const sampled = this.#sampling.chooses(incoming, trusted, route ?? config, nowMs);
    return new RequestTrace(this.#propagation, incoming, sampled, trusted);
  }

  /** Spans of the request are wanted: it was chosen at its head, or is of those that are kept for what came of them. */
  wants(trace: RequestTrace, failed: boolean, durationMs: number): boolean {
    if (this.#sink === null) return false;
    if (trace.sampled) return true;
    const { tailKeep } = this.#config;
    return this.#keepsSome && ((failed && tailKeep.errors) || durationMs >= tailKeep.slowerThanMs);
  }

  /** Of a request that has ended, and whose spans are wanted. `route`: as for begin(). */
  end(record: RequestRecord, request: TracedRequest, trace: RequestTrace, route: RouteTracingConfig | null): void {
    this.#sink?.offer(requestSpans(record, request, trace, this.#config, tagsOf(this.#config, route)));
  }
}

/** Of two of one name the route's. */
function tagsOf({ customTags }: TracingConfig, route: RouteTracingConfig | null): readonly CustomTagConfig[] {
  if (route === null || route.customTags.length === 0) return customTags;
  const named = new Set(route.customTags.map(({ tag }) => tag));
  return [...customTags.filter(({ tag }) => !named.has(tag)), ...route.customTags];
}
