/** The examples of docs/observability.md are accepted as they stand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { faultText } from '../source/fault.ts';
import { parseFile } from '../source/parse-file.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/observability.md'), 'utf8');

test('every whole document is accepted, a format as JSON and one as text among them', () => {
  const examples = [...page.matchAll(/^```yaml\n(apiVersion: .*?)^```$/gms)].map(([, text]) => text!);
  const { resources, faults } = parseFile('observability.md', examples.join('---\n'));
  expect(faults.map(faultText)).toEqual([]);
  const formats = resources.map((each) => (each.kind === 'Telemetry' ? each.accessLog?.format.kind : undefined));
  expect(new Set(formats)).toEqual(new Set(['default', 'json', 'text']));
});
