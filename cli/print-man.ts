/** Writes deploy/man/outrigger.1: `node cli/print-man.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { manPage } from './man-page.ts';
import { program } from './program.ts';

const folder = join(import.meta.dirname, '../deploy/man');
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'outrigger.1'), manPage(program()));
