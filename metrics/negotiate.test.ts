import { expect, test } from 'vitest';
import { chooseFormat, takesGzip } from './negotiate.ts';

const protobuf = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';

test.each([
  ['', 'text'],
  ['*/*', 'text'],
  ['text/html,application/xhtml+xml,*/*;q=0.8', 'text'],
  // Prometheus 2.42, without and with native histograms.
  [
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'openmetrics',
  ],
  [`${protobuf},application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`, 'protobuf'],
  // Prometheus 3.
  [
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.2',
    'openmetrics',
  ],
  ['application/openmetrics-text;version=9.9.9', 'text'],
  [`${protobuf};q=0,text/plain`, 'text'],
  ['application/vnd.google.protobuf;proto=other;encoding=delimited', 'text'],
  [`text/plain;q=0.5,${protobuf};q=0.6`, 'protobuf'],
])('accept %j is answered with %s', (accept, format) => {
  expect(chooseFormat(accept)).toBe(format);
});

test('gzip is for who names it, and does not refuse it', () => {
  expect(['gzip', 'br, gzip;q=0.2', 'identity', 'gzip;q=0', ''].map(takesGzip)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
