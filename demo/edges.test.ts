import { expect, test } from 'vitest';
import { type EdgeFigures, EdgeWatch } from './edges.ts';

const labels = (more: string): string =>
  `direction="outbound",source="shop/orders",destination="shop/payments",route="r"${more}`;

/** Of the caller's sidecar. */
function caller(ok: number, failed: number, fast: number, all: number, unsent = 0): string {
  return [
    '# TYPE outrigger_requests_total counter',
    `outrigger_requests_total{${labels(',code="200",grpc_status="0",flags=""')}} ${ok}`,
    `outrigger_requests_total{${labels(',code="200",grpc_status="14",flags="UPE"')}} ${failed}`,
    ...['UH', 'UO', 'CB', 'URX,UF'].map(
      (flags) => `outrigger_requests_total{${labels(`,code="503",flags="${flags}"`)}} ${unsent}`,
    ),
    'outrigger_requests_total{direction="inbound",source="unknown",destination="shop/orders",code="200",flags=""} 99',
    'outrigger_requests_total{direction="outbound",source="shop/orders",destination="unknown",code="404",flags="NR"} 7',
    `outrigger_request_duration_seconds_bucket{${labels(',le="0.001"')}} ${fast}`,
    `outrigger_request_duration_seconds_bucket{${labels(',le="0.002"')}} ${all}`,
    `outrigger_request_duration_seconds_bucket{${labels(',le="+Inf"')}} ${all}`,
  ].join('\n');
}

const sent = (count: number, unsent = 0): string => caller(count, 0, count, count, unsent);

/** Of a sidecar of payments. */
const took = (count: number): string =>
  `outrigger_requests_total{direction="inbound",source="shop/orders",destination="shop/payments",code="200",flags=""} ${count}`;

/** What each look but the first gives. */
function looks(seconds: number, ...texts: ReadonlyArray<readonly string[]>): Array<readonly EdgeFigures[]> {
  const watch = new EdgeWatch();
  return texts.map((each) => watch.look(each, seconds)).slice(1);
}

test('figures are of the time between two looks, outbound edges to known services only', () => {
  expect(looks(2, [caller(10, 0, 10, 10), took(10)], [caller(28, 2, 20, 30), took(30)])).toEqual([
    [
      {
        source: 'orders',
        destination: 'payments',
        requestsPerSecond: 10,
        okShare: 0.9,
        p50Ms: 1,
        p99Ms: expect.closeTo(1.98, 5) as number,
        mutualTls: true,
      },
    ],
  ]);
});

test('an edge of which the other side knows no verified caller is not shown as mutual TLS', () => {
  expect(looks(2, [sent(10), took(0)], [sent(30), took(0)])).toMatchObject([[{ mutualTls: false }]]);
  expect(looks(2, [sent(10), ''], [sent(30), '']), 'nor one of which nobody says anything').toMatchObject([
    [{ mutualTls: false }],
  ]);
});

test('an edge on which nothing came shows nothing', () => {
  expect(looks(1, [sent(10), took(10)], [sent(10), took(10)])).toEqual([[]]);
});

test('a sidecar that is gone, or was started anew, takes no mutual TLS away from what arrives elsewhere', () => {
  const found = looks(
    1,
    [sent(200), took(100), took(100)],
    [sent(220), took(110), took(110)],
    // The second is killed, with seven that nobody else knows of.
    [sent(240), took(123), ''],
    [sent(260), took(143), ''],
    [sent(280), took(163), took(3)],
    [sent(300), took(173), took(13)],
    // Started anew between two looks.
    [sent(320), took(183), took(2)],
    [sent(340), took(193), took(12)],
  );
  expect(found.map(([edge]) => [edge!.mutualTls, edge!.requestsPerSecond])).toEqual(
    Array.from({ length: 7 }, () => [true, 20]),
  );
});

test('a caller whose sidecar is gone has no figures, and none that count backwards when it is there again', () => {
  expect(looks(1, [sent(200), took(200)], ['', took(200)], [sent(5), took(205)], [sent(15), took(215)])).toMatchObject([
    [],
    [],
    [{ requestsPerSecond: 10, mutualTls: true }],
  ]);
});

test('a request that never went out is none that had to arrive', () => {
  expect(looks(1, [sent(10), took(10)], [sent(20, 30), took(20)])).toMatchObject([[{ mutualTls: true }]]);
});

test('mutual TLS that ends is seen', () => {
  const texts = Array.from({ length: 8 }, (_, at) => [sent(10 * at), took(10 * Math.min(at, 3))]);
  expect(looks(1, ...texts).at(-1)).toMatchObject([{ mutualTls: false }]);
});
