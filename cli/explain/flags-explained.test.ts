/** Every flag that a sidecar can set has an explanation that says what its record knows. The list is the sidecar's own: a flag that is new there fails here until somebody writes down what it means. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { explain } from '../../control-plane/observe/explain/explain.ts';
import { flagCause } from '../../control-plane/observe/explain/flag-cause.ts';
import { hopOf } from '../../control-plane/observe/explain/hop.ts';
import { RequestRecordSchema } from '../../proto/generated/outrigger/observe/v1/observe_pb.js';
import { responseFlags } from '../../sidecar/codec/response-flag.ts';

/** Set by the stream itself when it ends, on top of what an error has. */
const ofTheStream = ['FB', 'DI', 'URX'];
const all = [...new Set<string>([...Object.keys(responseFlags), ...ofTheStream])];

const rule = 'TrafficPolicy shop/payments';
const record = (flags: string) =>
  create(RequestRecordSchema, {
    requestId: 'r',
    direction: 'outbound',
    service: 'shop/orders',
    source: 'shop/orders',
    destination: 'shop/payments',
    cluster: 'outbound|80||payments.shop',
    route: 'shop/payments#rule-0',
    method: 'GET',
    path: '/pay',
    status: 503,
    flags,
    rule,
    duration: { seconds: 0n, nanos: 5_000_000 },
    attempts: [{ host: '10.0.0.7:8080', started: {}, sent: {}, flag: flags }],
  });

test.each(all)('%s is explained, and has a next step', (flag) => {
  const cause = flagCause(flag, hopOf(record(flag)));
  expect(cause).not.toBeNull();
  expect(cause!.why.length).toBeGreaterThan(20);
  expect(cause!.why).not.toMatch(/undefined|NaN|\.$/);
  expect(cause!.next.length).toBeGreaterThan(0);
  const { explanation } = explain([record(flag)]);
  expect(explanation.why[0]).toMatch(/^[A-Z\d].*\.$/s);
});

/** What a record knows has to be in the text. */
const named: ReadonlyArray<readonly [flag: string, what: RegExp]> = [
  ...['UF', 'UC', 'UR', 'UPE'].map((flag) => [flag, /10\.0\.0\.7:8080/] as const),
  ...['CB', 'FB', 'DI', 'FI', 'RL', 'RLSE', 'RBAC', 'UAEX', 'UO', 'URX'].map(
    (flag) => [flag, /TrafficPolicy shop\/payments/] as const,
  ),
  ...['UH', 'UT', 'CB'].map((flag) => [flag, /payments/] as const),
  ['NC', /outbound\|80\|\|payments\.shop/],
  ['DC', /5 ms/],
  ['NR', /GET/],
];

test.each(named)('the explanation of %s names %s', (flag, what) => {
  expect(flagCause(flag, hopOf(record(flag)))!.why).toMatch(what);
});

test('the list is whole: no flag stands in the code of the sidecar that is not in it', () => {
  const folder = join(import.meta.dirname, '../../sidecar');
  const unknown = new Set<string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.includes('.test.') || file.includes('/api/') || file.includes('test/')) continue;
    for (const [, flag] of readFileSync(join(folder, file), 'utf8').matchAll(/\bflag: '([A-Z]{2,5})'/g))
      if (!all.includes(flag!)) unknown.add(flag!);
  }
  expect([...unknown]).toEqual([]);
});
