import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withKnobTable } from './knob-table.ts';

test('docs/inject.md has the annotations as they are (node control-plane/inject/print-knobs.ts)', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/inject.md'), 'utf8');
  expect(withKnobTable(page)).toBe(page);
});
