/** Writes the table of annotations into docs/inject.md: `node control-plane/inject/print-knobs.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withKnobTable } from './knob-table.ts';

const page = join(import.meta.dirname, '../../docs/inject.md');
writeFileSync(page, withKnobTable(readFileSync(page, 'utf8')));
