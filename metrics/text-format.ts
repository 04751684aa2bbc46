/**
 * Metrics as text, in Prometheus's format 0.0.4 and in OpenMetrics 1.0. Names and labels are the same in both, so that a scraper that changes from one to the other goes on with the same series: bounds of
 * buckets are written as Go writes them (`le="1.0"`), which OpenMetrics wants, and a counter whose name does not end in `_total` (Envoy's do not all) is of unknown type in OpenMetrics, which would have it renamed.
 */
import type { Exemplar, HistogramSample, MetricFamily, MetricLabels } from './metric-family.ts';

/** One turn of the event loop writes no more than this, about a third of a millisecond. */
const pieceCharacters = 32 * 1024;

export type TextFormat = 'text' | 'openmetrics';

/** The whole text in pieces; nothing is read of a family before its turn comes. */
export function* textPieces(families: Iterable<MetricFamily>, format: TextFormat): Generator<string, void, undefined> {
  let text = '';
  for (const family of families) {
    text += format === 'text' ? headLines(family) : openMetricsHeadLines(family);
    if (family.type === 'histogram') {
      const bounds = family.bounds.map((bound) => goFloat(bound * family.scale));
      for (const sample of family.samples) {
        text += histogramLines(family.name, bounds, family.scale, sample, format === 'openmetrics');
        if (text.length < pieceCharacters) continue;
        yield text;
        text = '';
      }
    } else {
      for (const { labels, value } of family.samples) {
        text += `${family.name}${braced(labelText(labels))} ${number(value)}\n`;
        if (text.length < pieceCharacters) continue;
        yield text;
        text = '';
      }
    }
  }
  yield format === 'openmetrics' ? `${text}# EOF\n` : text;
}

function headLines({ name, type, help }: MetricFamily): string {
  return `${help === '' ? '' : `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`}# TYPE ${name} ${type}\n`;
}

function openMetricsHeadLines({ name, type, unit, help }: MetricFamily): string {
  const isCounter = type === 'counter' && name.endsWith('_total') && !name.startsWith('envoy_');
  const family = isCounter ? name.slice(0, -'_total'.length) : name;
  const shown = isCounter || type !== 'counter' ? type : 'unknown';
  return `# TYPE ${family} ${shown}\n${unit === '' ? '' : `# UNIT ${family} ${unit}\n`}${help === '' ? '' : `# HELP ${family} ${escaped(help)}\n`}`;
}

function histogramLines(
  name: string,
  bounds: readonly string[],
  scale: number,
  { labels, counts, count, sum, exemplars }: HistogramSample,
  withExemplars: boolean,
): string {
  const own = labelText(labels);
  const start = `${name}_bucket{${own}${own === '' ? '' : ','}le="`;
  let text = '';
  let cumulative = 0;
  for (let i = 0; i <= bounds.length; i++) {
    cumulative += counts[i]!;
    const exemplar = withExemplars && exemplars !== null ? exemplars[i]! : null;
    text += `${start}${i === bounds.length ? '+Inf' : bounds[i]!}"} ${cumulative}${exemplar === null ? '' : exemplarText(exemplar, scale)}\n`;
  }
  return `${text}${name}_sum${braced(own)} ${number(sum * scale)}\n${name}_count${braced(own)} ${count}\n`;
}

function exemplarText({ traceId, spanId, value, wallMs }: Exemplar, scale: number): string {
  return ` # {trace_id="${traceId}"${spanId === '' ? '' : `,span_id="${spanId}"`}} ${number(value * scale)} ${(wallMs / 1000).toFixed(3)}`;
}

function labelText(labels: MetricLabels): string {
  let text = '';
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${escaped(labels[name]!)}"`;
  return text;
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

const special = /[\\"\n]/;

function escaped(text: string): string {
  return special.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text;
}

function number(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

/** As Go's `%g`, with `.0` behind a whole number. */
export function goFloat(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
    const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
    return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  }
  const text = String(value);
  return text.includes('.') ? text : `${text}.0`;
}
