/** The examples of docs/policies.md are accepted as they stand, and name nothing that is not there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelBuilder } from '../model/model-builder.ts';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/policies.md'), 'utf8');

test('every example is accepted, and all of them together make no warning', () => {
  const examples = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text]) => text!);
  expect(examples.length).toBeGreaterThan(6);
  const { resources, faults } = parseFile('policies.md', examples.join('---\n'));
  expect(faults.map(faultText)).toEqual([]);
  expect(new Set(resources.map(({ kind }) => kind))).toEqual(
    new Set(['Service', 'PeerAuthentication', 'AuthorizationPolicy', 'RequestAuthentication']),
  );
  expect(new ModelBuilder().build({ resources, instances: [] }).warnings).toEqual([]);
});
