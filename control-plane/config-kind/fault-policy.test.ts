import { expect, test } from 'vitest';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';

const parsed = (spec: string) =>
  parseFile(
    'p.yaml',
    `apiVersion: outrigger.dev/v1\nkind: FaultPolicy\nmetadata: { name: p, namespace: shop }\nspec: { ${spec} }\n`,
  );
const faults = (spec: string): string[] => parsed(spec).faults.map((each) => faultText(each).replace(/^\S+ /, ''));

test('a FaultPolicy names every fault of its own by field', () => {
  expect(
    faults(
      `until: tomorrow, for: 1h, maxActive: 0, faults: [
        { match: { paths: [x, '/a?b', '*'], methods: [get], callers: [storefront], headers: [] }, delay: { duration: 0s, percent: 101 } },
        { abort: { httpStatus: 503, grpcStatus: UNAVAILABLE } }, { abort: {} }, { match: {} }, { abort: { grpcStatus: BUSY } }, { responseRateLimit: { kibPerSecond: 0 } }]`,
    ),
  ).toEqual([
    'spec.until: "tomorrow" is not a time; write it as 2026-01-31T12:00:00Z',
    'spec.maxActive: 0 is not a whole number from 1 to 1000000',
    'spec.faults[0].match.paths[0]: "x" is not a path: it begins with /, and has no ? and no #',
    'spec.faults[0].match.paths[1]: "/a?b" is not a path: it begins with /, and has no ? and no #',
    'spec.faults[0].match.paths[2]: "*" is not accepted: a path is written as it is, or as /prefix*',
    'spec.faults[0].match.methods[0]: "get" is not a method; write it as GET',
    'spec.faults[0].match.callers[0]: "storefront" is not a caller; write it as namespace/account, or namespace/*',
    'spec.faults[0].delay.duration: "0s" is not between 1ms and 1h',
    'spec.faults[0].delay.percent: 101 is not per cent: a number from 0 to 100',
    'spec.faults[1].abort.grpcStatus: "UNAVAILABLE" stands beside httpStatus; give one of them',
    'spec.faults[2].abort: has neither httpStatus nor grpcStatus; give one of them',
    'spec.faults[3]: does nothing; give delay, abort or responseRateLimit',
    expect.stringContaining('spec.faults[4].abort.grpcStatus: "BUSY" is not accepted; accepted: "OK", "CANCELLED"'),
    'spec.faults[5].responseRateLimit.kibPerSecond: 0 is not a whole number from 1 to 1048576',
  ]);
  expect(faults('until: "2026-01-31T12:00:00Z", for: 1h, faults: [{ abort: { httpStatus: 503 } }]')).toEqual([
    'spec.for: "1h" stands beside until; one of them says when it is over',
  ]);
});

test('it fills in shares, and knows statuses of gRPC by their numbers', () => {
  expect(
    parsed(
      `until: "2026-01-31T12:00:00Z", faults: [{ match: { paths: [/a, /b/*], callers: [shop/orders, office/*] }, delay: { duration: 2s }, abort: { grpcStatus: UNAVAILABLE, percent: 0.5 }, responseRateLimit: { kibPerSecond: 8 } }]`,
    ).resources[0],
  ).toMatchObject({
    untilMs: Date.parse('2026-01-31T12:00:00Z'),
    forMs: null,
    maxActive: null,
    targets: { services: [], labels: null },
    faults: [
      {
        match: {
          paths: [
            { type: 'exact', value: '/a' },
            { type: 'prefix', value: '/b/' },
          ],
          callers: [
            { namespace: 'shop', account: 'orders' },
            { namespace: 'office', account: '' },
          ],
        },
        delay: { durationMs: 2_000, percent: 100 },
        abort: { type: 'grpc', status: 14, percent: 0.5 },
        responseRate: { kibPerSecond: 8, percent: 100 },
      },
    ],
  });
});
