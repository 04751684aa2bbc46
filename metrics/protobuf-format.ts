/**
 * Metrics as delimited protobuf messages (io.prometheus.client.MetricFamily of prometheus/client_model), the one format in which Prometheus takes native histograms. Written by hand: five small messages are no
 * reason to load a library.
 */
import type { Exemplar, HistogramSample, MetricFamily, MetricLabels, NativeBuckets } from './metric-family.ts';
import { ProtobufWriter } from './protobuf-writer.ts';

const types = { counter: 0, gauge: 1, histogram: 4 } as const;

/** Each family whole, as its length stands in front: the biggest is some 100 KB for a thousand histograms. */
export function* protobufPieces(families: Iterable<MetricFamily>): Generator<Buffer, void, undefined> {
  const writer = new ProtobufWriter();
  for (const family of families) {
    writeFamily(writer, family);
    yield writer.takeDelimited();
  }
}

function writeFamily(writer: ProtobufWriter, family: MetricFamily): void {
  writer.string(1, family.name);
  writer.string(2, family.help);
  writer.int(3, types[family.type]);
  if (family.type === 'histogram') {
    for (const sample of family.samples)
      writer.message(4, () => {
        writeLabels(writer, sample.labels);
        writer.message(7, () => writeHistogram(writer, sample, family.bounds, family.scale));
      });
  } else {
    const field = family.type === 'gauge' ? 2 : 3;
    for (const { labels, value } of family.samples)
      writer.message(4, () => {
        writeLabels(writer, labels);
        writer.message(field, () => writer.double(1, value));
      });
  }
  writer.string(5, family.unit);
}

function writeLabels(writer: ProtobufWriter, labels: MetricLabels): void {
  for (const name in labels) writeLabel(writer, name, labels[name]!);
}

function writeLabel(writer: ProtobufWriter, name: string, value: string): void {
  writer.message(1, () => {
    writer.string(1, name);
    writer.string(2, value);
  });
}

function writeHistogram(
  writer: ProtobufWriter,
  { counts, count, sum, exemplars, native }: HistogramSample,
  bounds: readonly number[],
  scale: number,
): void {
  writer.int(1, count);
  writer.double(2, sum * scale);
  let cumulative = 0;
  for (let i = 0; i <= bounds.length; i++) {
    cumulative += counts[i]!;
    const exemplar = exemplars?.[i] ?? null;
    // That of +Inf is the count; it is written only to carry an exemplar.
    if (i === bounds.length && exemplar === null) break;
    writer.message(3, () => {
      writer.int(1, cumulative);
      writer.double(2, i === bounds.length ? Infinity : bounds[i]! * scale);
      if (exemplar !== null) writer.message(3, () => writeExemplar(writer, exemplar, scale));
    });
  }
  if (native !== null) writeNative(writer, native);
}

function writeExemplar(writer: ProtobufWriter, { traceId, spanId, value, wallMs }: Exemplar, scale: number): void {
  writeLabel(writer, 'trace_id', traceId);
  if (spanId !== '') writeLabel(writer, 'span_id', spanId);
  writer.double(2, value * scale);
  writer.time(3, wallMs);
}

/** Buckets in one span: empty ones between others are zeros. */
function writeNative(
  writer: ProtobufWriter,
  { schema, zeroThreshold, zeroCount, firstIndex, counts }: NativeBuckets,
): void {
  writer.sint(5, schema);
  writer.double(6, zeroThreshold);
  writer.int(7, zeroCount);
  writer.message(12, () => {
    writer.sint(1, firstIndex);
    writer.int(2, counts.length);
  });
  let before = 0;
  for (let i = 0; i < counts.length; i++) {
    writer.sint(13, counts[i]! - before);
    before = counts[i]!;
  }
}
