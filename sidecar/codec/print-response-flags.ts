/** Writes the table of docs/response-flags.md: `node sidecar/codec/print-response-flags.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withTable } from './response-flags-page.ts';

const page = join(import.meta.dirname, '../../docs/response-flags.md');
writeFileSync(page, withTable(readFileSync(page, 'utf8')));
