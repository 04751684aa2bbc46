import { expect, test } from 'vitest';
import { edgeFigures, readTotals } from './edges.ts';

type Totals = Parameters<typeof readTotals>[1];

const labels = (more: string): string =>
  `direction="outbound",source="shop/orders",destination="shop/payments",route="r"${more}`;

function totals(ok: number, failed: number, fast: number, all: number, proven = 0): Totals {
  const read: Totals = new Map();
  readTotals(
    [
      '# TYPE outrigger_requests_total counter',
      `outrigger_requests_total{${labels(',code="200",grpc_status="0",flags=""')}} ${ok}`,
      `outrigger_requests_total{${labels(',code="200",grpc_status="14",flags="UF"')}} ${failed}`,
      'outrigger_requests_total{direction="inbound",source="unknown",destination="shop/orders",code="200",flags=""} 99',
      `outrigger_requests_total{direction="inbound",source="shop/orders",destination="shop/payments",code="200",flags=""} ${proven}`,
      'outrigger_requests_total{direction="outbound",source="shop/orders",destination="unknown",code="404",flags="NR"} 7',
      `outrigger_request_duration_seconds_bucket{${labels(',le="0.001"')}} ${fast}`,
      `outrigger_request_duration_seconds_bucket{${labels(',le="0.002"')}} ${all}`,
      `outrigger_request_duration_seconds_bucket{${labels(',le="+Inf"')}} ${all}`,
    ].join('\n'),
    read,
  );
  return read;
}

test('figures are of the time between two readings, outbound edges to known services only', () => {
  expect(edgeFigures(totals(10, 0, 10, 10), totals(28, 2, 20, 30, 30), 2)).toEqual([
    {
      source: 'orders',
      destination: 'payments',
      requestsPerSecond: 10,
      okShare: 0.9,
      p50Ms: 1,
      p99Ms: expect.closeTo(1.98, 5) as number,
      mutualTls: true,
    },
  ]);
});

test('an edge of which the other side knows no verified caller is not shown as mutual TLS', () => {
  expect(edgeFigures(totals(10, 0, 10, 10), totals(28, 2, 20, 30), 2)).toMatchObject([{ mutualTls: false }]);
});

test('an edge on which nothing came shows nothing', () => {
  expect(edgeFigures(totals(10, 0, 10, 10), totals(10, 0, 10, 10), 1)).toEqual([]);
});
