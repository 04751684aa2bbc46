import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { ExponentialBuckets } from './exponential-buckets.ts';
import { expose } from './exposition.ts';
import type { MetricFamily } from './metric-family.ts';
import { protobufPieces } from './protobuf-format.ts';
import { goFloat, textPieces } from './text-format.ts';
import { Turns } from './turns.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';

function families(native: ExponentialBuckets | null = null): MetricFamily[] {
  return [
    {
      ...{ name: 'outrigger_requests_total', type: 'counter', unit: '', help: 'Requests, "all" of them\\.' },
      samples: [{ labels: { route: 'a"b\\c\nd' }, value: 3 }],
    },
    {
      ...{ name: 'envoy_cluster_upstream_rq_total', type: 'counter', unit: '', help: '' },
      samples: [{ labels: {}, value: 1 }],
    },
    {
      ...{ name: 'outrigger_request_duration_seconds', type: 'histogram', unit: 'seconds', help: 'How long.' },
      bounds: [500, 1000],
      scale: 1 / 1000,
      samples: [
        {
          ...{ labels: { code: '200' }, counts: [1, 2, 1], sum: 4200, count: 4, native },
          exemplars: [
            null,
            { traceId: trace, spanId: '00f067aa0ba902b7', value: 800, wallMs: 1_700_000_000_123 },
            null,
          ],
        },
      ],
    },
  ];
}

test('text 0.0.4 has HELP and TYPE, escapes what must be, and no exemplars', () => {
  expect([...textPieces(families(), 'text')].join('').split('\n')).toEqual([
    '# HELP outrigger_requests_total Requests, "all" of them\\\\.',
    '# TYPE outrigger_requests_total counter',
    'outrigger_requests_total{route="a\\"b\\\\c\\nd"} 3',
    '# TYPE envoy_cluster_upstream_rq_total counter',
    'envoy_cluster_upstream_rq_total 1',
    '# HELP outrigger_request_duration_seconds How long.',
    '# TYPE outrigger_request_duration_seconds histogram',
    'outrigger_request_duration_seconds_bucket{code="200",le="0.5"} 1',
    'outrigger_request_duration_seconds_bucket{code="200",le="1.0"} 3',
    'outrigger_request_duration_seconds_bucket{code="200",le="+Inf"} 4',
    'outrigger_request_duration_seconds_sum{code="200"} 4.2',
    'outrigger_request_duration_seconds_count{code="200"} 4',
    '',
  ]);
});

test('OpenMetrics 1.0 names counters without _total in its head lines, says units, has exemplars and an end; samples have the names and labels of the text', () => {
  const text = [...textPieces(families(), 'openmetrics')].join('');
  expect(text.split('\n').filter((line) => line.startsWith('#'))).toEqual([
    '# TYPE outrigger_requests counter',
    '# HELP outrigger_requests Requests, \\"all\\" of them\\\\.',
    '# TYPE envoy_cluster_upstream_rq_total unknown',
    '# TYPE outrigger_request_duration_seconds histogram',
    '# UNIT outrigger_request_duration_seconds seconds',
    '# HELP outrigger_request_duration_seconds How long.',
    '# EOF',
  ]);
  expect(text).toContain(
    `_bucket{code="200",le="1.0"} 3 # {trace_id="${trace}",span_id="00f067aa0ba902b7"} 0.8 1700000000.123\n`,
  );
  const samples = (from: string): string[] =>
    from
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .map((line) => line.split(' # ')[0]!);
  expect(samples(text)).toEqual(samples([...textPieces(families(), 'text')].join('')));
});

test('bounds are written as Go writes floats, so that series are the same whichever format a scraper takes', () => {
  expect([0.0005, 0.001, 1, 10, 3600, 600_000, 1_800_000, 0.00001].map(goFloat)).toEqual([
    '0.0005',
    '0.001',
    '1.0',
    '10.0',
    '3600.0',
    '600000.0',
    '1.8e+06',
    '1e-05',
  ]);
});

/** Fields of one message as [number, value]; what is delimited stays bytes. */
function fields(bytes: Buffer): Array<[number, number | Buffer]> {
  const found: Array<[number, number | Buffer]> = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    if (key % 8 === 0) found.push([key >> 3, varint()]);
    else if (key % 8 === 1) {
      found.push([key >> 3, bytes.readDoubleLE(at)]);
      at += 8;
    } else {
      const length = varint();
      found.push([key >> 3, bytes.subarray(at, at + length)]);
      at += length;
    }
  }
  return found;
}

test('protobuf is io.prometheus.client.MetricFamily, delimited, with native buckets beside the classic ones', () => {
  const native = new ExponentialBuckets();
  native.record(0.4);
  native.record(0.8, 2);
  native.record(1.5);
  const message = [...protobufPieces(families(native))].at(-1)!;
  const outer = message[0]! >= 0x80 ? 2 : 1;
  const family = fields(message.subarray(outer));
  expect(family.map(([number]) => number)).toEqual([1, 2, 3, 4, 5]);
  expect(String(family[0]![1])).toBe('outrigger_request_duration_seconds');
  expect(family[2]![1]).toBe(4);
  expect(String(family[4]![1])).toBe('seconds');
  const metric = fields(family[3]![1] as Buffer);
  const histogram = fields(metric.find(([number]) => number === 7)![1] as Buffer);
  const of = (number: number): Array<number | Buffer> =>
    histogram.filter((each) => each[0] === number).map(([, v]) => v);
  expect([of(1), of(2), of(5), of(6), of(7)]).toEqual([[4], [4.2], [6], [2 ** -20], [0]]);
  expect(
    of(3).map((bucket) =>
      fields(bucket as Buffer)
        .slice(0, 2)
        .map(([, value]) => value),
    ),
  ).toEqual([
    [1, 0.5],
    [3, 1],
  ]);
  const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);
  expect(fields(of(12)[0] as Buffer).map(([, value]) => value)).toEqual([
    Math.ceil(Math.log2(0.4) * 8) * -2 - 1,
    native.counts.length,
  ]);
  let count = 0;
  const counts = (of(13) as number[]).map((delta) => (count += unzigzag(delta)));
  expect(counts).toEqual([...native.counts]);
  expect(counts.reduce((sum, each) => sum + each, 0)).toBe(4);
});

test('is compressed for who wants it, in whatever format', async () => {
  for (const accept of ['', 'application/openmetrics-text;version=1.0.0']) {
    const plain = expose(new Turns(), () => families(), accept, '');
    const zipped = expose(new Turns(), () => families(), accept, 'gzip, br;q=0.5');
    expect([plain.contentEncoding, zipped.contentEncoding]).toEqual(['', 'gzip']);
    const whole = async (pieces: AsyncIterable<Buffer>): Promise<Buffer> =>
      Buffer.concat(await Array.fromAsync(pieces));
    expect(gunzipSync(await whole(zipped.pieces)).equals(await whole(plain.pieces))).toBe(true);
  }
});

test('nothing is made that was not asked for: a scraper that hangs holds one piece', async () => {
  let read = 0;
  const many = (): MetricFamily[] => [
    {
      ...{ name: 'a_total', type: 'counter', unit: '', help: 'x' },
      samples: (function* () {
        for (; read < 100_000; read++) yield { labels: { n: String(read) }, value: 1 };
      })(),
    },
  ];
  const { pieces } = expose(new Turns(), many, '', '');
  await pieces.next();
  expect(read).toBeLessThan(3_000);
  await pieces.return();
});

test('of many who are answered at once, one makes a piece in each turn of the event loop', async () => {
  const turns = new Turns();
  let made = 0;
  const asked = Array.from({ length: 50 }, () => turns.next().then(() => made++));
  await new Promise((resolve) => setImmediate(resolve));
  expect(made).toBeLessThanOrEqual(2);
  await Promise.all(asked);
  expect(made).toBe(50);
});
