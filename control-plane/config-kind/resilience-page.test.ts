/** The examples of docs/resilience.md are accepted as they stand, and name nothing that is not there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelBuilder } from '../model/model-builder.ts';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/resilience.md'), 'utf8');
const services = ['payments', 'orders', 'catalogue', 'catalogue-copy'].map(
  (name) =>
    `{apiVersion: outrigger.dev/v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: {ports: [{port: 80}]}}\n`,
);

test('every example is accepted, and all of them together make no warning', () => {
  const examples = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text]) => text!);
  const { resources, faults } = parseFile('resilience.md', [...examples, ...services].join('---\n'));
  expect(faults.map(faultText)).toEqual([]);
  expect(new Set(resources.map(({ kind }) => kind))).toEqual(
    new Set(['Service', 'HTTPRoute', 'TrafficPolicy', 'FaultPolicy', 'RateLimitPolicy']),
  );
  expect(new ModelBuilder().build({ resources, instances: [] }).warnings).toEqual([]);
});
