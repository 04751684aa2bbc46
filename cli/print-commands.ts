/** Writes docs/commands.md: `node cli/print-commands.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandsPage } from './commands-page.ts';
import { program } from './program.ts';

writeFileSync(join(import.meta.dirname, '../docs/commands.md'), commandsPage(program()));
