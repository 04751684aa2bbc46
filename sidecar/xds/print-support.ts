/** Writes docs/xds-support.md from the table that the checks use: `node sidecar/xds/print-support.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { supportText } from './support-text.ts';

writeFileSync(join(import.meta.dirname, '../../docs/xds-support.md'), supportText());
