import { expect, test } from 'vitest';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';

const parsed = (spec: string) =>
  parseFile(
    'p.yaml',
    `apiVersion: outrigger.dev/v1\nkind: RateLimitPolicy\nmetadata: { name: p, namespace: shop }\nspec: { ${spec} }\n`,
  );
const faults = (spec: string): string[] => parsed(spec).faults.map((each) => faultText(each).replace(/^\S+ /, ''));

test('a RateLimitPolicy names every fault of its own by field', () => {
  expect(faults('status: 200')).toEqual([
    'spec: limits nothing; give local, global or both',
    'spec.status: 200 is not a whole number from 400 to 599',
  ]);
  expect(faults('status: 599, local: [{ limit: { requests: 1, per: 1s } }]')).toEqual([
    expect.stringMatching(/^spec\.status: 599 is no status of an error that proxies know \(400 to 417, /),
  ]);
  expect(
    faults(
      'local: [{ limit: { requests: 0, per: 1ms } }, { by: { path: true, headers: ["a b"] }, limit: { requests: 1, per: 1s } }], global: { limits: [{ limit: { requests: 1, unit: week } }], timeout: 1m, service: { name: rls } }',
    ),
  ).toEqual([
    'spec.local[0].limit.requests: 0 is not a whole number from 1 to 4000000000',
    'spec.local[0].limit.per: "1ms" is not between 50ms and 24h',
    'spec.local[1].by.path: is not a field here; accepted: caller, remoteAddress, headers',
    expect.stringContaining('spec.local[1].by.headers[0]: "a b" is not a header name'),
    'spec.global.limits[0].limit.unit: "week" is not accepted; accepted: "second", "minute", "hour", "day"',
    'spec.global.timeout: "1m" is not between 1ms and 10s',
    'spec.global.service.port: is missing; a whole number from 1 to 65535 is expected',
  ]);
});

test('it fills in what is left open', () => {
  expect(
    parsed(
      'local: [{ by: { headers: [X-User, x-user] }, limit: { requests: 10, per: 1s } }], global: { limits: [{ by: { caller: true }, limit: { requests: 5, unit: minute } }], service: { name: rls, port: 80 } }',
    ).resources[0],
  ).toMatchObject({
    local: [
      { by: { caller: false, remoteAddress: false, headers: ['x-user'] }, requests: 10, perMs: 1_000, burst: 10 },
    ],
    global: [{ by: { caller: true, headers: [] }, requests: 5, unit: 'minute' }],
    service: { namespace: 'shop', service: 'rls', port: 80, domain: 'outrigger' },
    failOpen: true,
    timeoutMs: 100,
    status: 429,
    tellsLimits: true,
  });
});
