/**
 * Spans → `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`. By hand: see protobuf-writer.ts. Field numbers are those of opentelemetry-proto 1.x,
 * which is stable.
 */

import { ProtobufWriter } from '../../../metrics/protobuf-writer.ts';
import type { Span, SpanAttribute } from '../span.ts';

const kinds = { internal: 1, server: 2, client: 3 } as const;
const statusError = 2;
/** `flags` of a span: the W3C trace flag "sampled". */
const sampledFlag = 1;

export interface OtlpResource {
  /** Which service and instance the spans are of. */
  readonly attributes: readonly SpanAttribute[];
  readonly scopeName: string;
  readonly scopeVersion: string;
}

const spanWriter = new ProtobufWriter(2048);

/** As {@link writeTraces} takes it; good until the next. */
export function encodeSpan(span: Span): Buffer {
  spanWriter.clear();
  writeSpan(spanWriter, span);
  return spanWriter.finish();
}

/** `spans`: bytes of {@link encodeSpan}, one behind the other, in pieces. */
export function writeTraces(
  out: ProtobufWriter,
  spans: readonly Uint8Array[],
  { attributes, scopeName, scopeVersion }: OtlpResource,
): void {
  const resourceSpans = out.begin(1);
  const resource = out.begin(1);
  writeAttributes(out, 1, attributes);
  out.end(resource);
  const scopeSpans = out.begin(2);
  const scope = out.begin(1);
  out.string(1, scopeName);
  out.string(2, scopeVersion);
  out.end(scope);
  for (let i = 0; i < spans.length; i++) out.encoded(spans[i]!);
  out.end(scopeSpans);
  out.end(resourceSpans);
}

function writeSpan(out: ProtobufWriter, span: Span): void {
  const at = out.begin(2);
  out.hex(1, span.traceId);
  out.hex(2, span.spanId);
  out.string(3, span.traceState);
  out.hex(4, span.parentSpanId);
  out.string(5, span.name);
  out.uint(6, kinds[span.kind]);
  out.unixNanos(7, span.startWallMs);
  out.unixNanos(8, Math.max(span.startWallMs, span.endWallMs));
  writeAttributes(out, 9, span.attributes);
  for (const { atWallMs, name, attributes } of span.events) {
    const event = out.begin(11);
    out.unixNanos(1, atWallMs);
    out.string(2, name);
    writeAttributes(out, 3, attributes);
    out.end(event);
  }
  if (span.failed) {
    const status = out.begin(15);
    out.string(2, span.statusMessage);
    out.uint(3, statusError);
    out.end(status);
  }
  out.fixed32(16, sampledFlag);
  out.end(at);
}

function writeAttributes(out: ProtobufWriter, field: number, attributes: readonly SpanAttribute[]): void {
  for (let i = 0; i < attributes.length; i++) {
    const [name, value] = attributes[i]!;
    const pair = out.begin(field);
    out.string(1, name);
    const any = out.begin(2);
    if (typeof value === 'string') out.stringAlways(1, value);
    else if (typeof value === 'boolean') out.bool(2, value);
    else if (Number.isSafeInteger(value)) out.int(3, value);
    else out.double(4, value);
    out.end(any);
    out.end(pair);
  }
}
