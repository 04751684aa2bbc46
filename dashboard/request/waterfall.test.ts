import { expect, it } from 'vitest';
import { isFailed, statusOf, waterfall } from './waterfall.ts';

it('hops and attempts stand on one line of time', () => {
  const { bars, totalMs } = waterfall([
    {
      depth: 0,
      record: {
        service: 'shop/storefront',
        direction: 'outbound',
        started: '2026-11-29T05:00:00.100Z',
        duration: '0.050s',
        status: 200,
        phases: { routed: '0.001s', firstByte: '0.045s' },
        attempts: [
          { host: '10.0.0.1:80', started: '0.001s', sent: '0.002s', ended: '0.010s', flag: 'UF', why: 'first' },
          { host: '10.0.0.2:80', started: '0.020s', status: 200, why: 'policy' },
        ],
      },
    },
    {
      depth: 1,
      record: {
        service: 'shop/orders',
        direction: 'inbound',
        started: '2026-11-29T05:00:00.095Z',
        status: 503,
        flags: 'UH',
      },
    },
  ]);
  expect(bars.map(({ label, startMs, endMs, failed }) => [label, startMs, endMs, failed])).toEqual([
    ['shop/storefront out', 5, 55, false],
    ['attempt 1', 6, 15, true],
    ['attempt 2 (policy)', 25, 55, false],
    ['shop/orders in', 0, 0, true],
  ]);
  expect(bars[0]!.marks).toEqual([
    { name: 'routed', atMs: 6 },
    { name: 'first byte', atMs: 50 },
  ]);
  expect(totalMs).toBe(55);
});

it('hops are placed to the microsecond, as records have them', () => {
  const at = (started: string) => ({ depth: 0, record: { started, duration: '0.000420s', status: 200 } });
  const { bars } = waterfall([at('2026-11-29T05:00:00.000100Z'), at('2026-11-29T05:00:00.000950900Z')]);
  expect(bars.map(({ startMs, endMs }) => [startMs, endMs].map((ms) => ms.toFixed(3)))).toEqual([
    ['0.000', '0.420'],
    ['0.851', '1.271'],
  ]);
});

it('a record that says nothing is shown all the same', () => {
  expect(waterfall([{ depth: 0, record: {} }])).toMatchObject({
    totalMs: 0,
    bars: [{ note: 'no answer', failed: true }],
  });
  expect(waterfall([])).toEqual({ bars: [], totalMs: 0 });
});

it('failed is what RequestFilter.errors says', () => {
  expect([{ status: 200 }, { status: 404 }, { status: 200, grpcStatus: '0' }].map(isFailed)).toEqual([
    false,
    false,
    false,
  ]);
  expect([{ status: 503 }, { status: 200, grpcStatus: '14' }, { status: 404, flags: 'NR' }, {}].map(isFailed)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(statusOf({ status: 200, grpcStatus: '14' })).toBe('200 grpc 14');
});
