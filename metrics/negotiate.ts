/** Which format and coding a scraper takes, by RFC 9110 12.5: its `accept` and `accept-encoding`. Text 0.0.4 as it is, for whoever says nothing that is known here. */

export type MetricFormat = 'text' | 'openmetrics' | 'protobuf';

export const contentTypes: Readonly<Record<MetricFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  protobuf: 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
};

/** Nobody needs more, and what anybody can send is not read without end. */
const mostRanges = 32;

interface Range {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** What is liked most; of equals the first. */
export function chooseFormat(accept: string): MetricFormat {
  let best: MetricFormat = 'text';
  let quality = 0;
  for (const range of ranges(accept)) {
    const format = formatOf(range);
    if (format === null || range.quality <= quality) continue;
    best = format;
    quality = range.quality;
  }
  return best;
}

export function takesGzip(acceptEncoding: string): boolean {
  return ranges(acceptEncoding).some(({ name, quality }) => name === 'gzip' && quality > 0);
}

function formatOf({ name, parameters }: Range): MetricFormat | null {
  switch (name) {
    case 'application/vnd.google.protobuf':
      return parameters.get('proto') === 'io.prometheus.client.metricfamily' &&
        parameters.get('encoding') === 'delimited'
        ? 'protobuf'
        : null;
    case 'application/openmetrics-text':
      return (parameters.get('version') ?? '1.0.0') === '1.0.0' ? 'openmetrics' : null;
    case 'text/plain':
      return (parameters.get('version') ?? '0.0.4') === '0.0.4' ? 'text' : null;
    case '*/*':
    case 'text/*':
      return 'text';
    default:
      return null;
  }
}

function ranges(field: string): Range[] {
  return field
    .toLowerCase()
    .split(',', mostRanges)
    .map((text) => {
      const [name = '', ...rest] = text.split(';').map((part) => part.trim());
      const parameters = new Map(
        rest.map((part) => {
          const at = part.indexOf('=');
          return [part.slice(0, at), part.slice(at + 1).replaceAll('"', '')];
        }),
      );
      const quality = Number(parameters.get('q') ?? '1');
      return { name, parameters, quality: Number.isNaN(quality) ? 0 : quality };
    });
}
