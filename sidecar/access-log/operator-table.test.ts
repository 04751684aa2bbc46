import { expect, it } from 'vitest';
import { readDocument, withOperatorTable } from './operator-table.ts';

it('is what docs/observability.md says (else: node sidecar/access-log/operator-table.ts)', () => {
  expect(readDocument()).toBe(withOperatorTable(readDocument()));
});
