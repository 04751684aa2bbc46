import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commandPath, listedCommands } from './commands-page.ts';
import { manPage } from './man-page.ts';
import { program } from './program.ts';

const file = join(import.meta.dirname, '../deploy/man/outrigger.1');
const groff = spawnSync('groff', ['--version']).status === 0;

test('deploy/man/outrigger.1 has every command, and is what the program says (else: node cli/print-man.ts)', () => {
  const page = readFileSync(file, 'utf8');
  expect(page).toBe(manPage(program()));
  for (const command of listedCommands(program()))
    expect(page).toContain(`.SS outrigger ${commandPath(command).replaceAll('-', '\\-')}\n`);
  const { man } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { man: string };
  expect(man).toBe('deploy/man/outrigger.1');
});

test.skipIf(!groff)('groff reads it without a warning, and nothing of an example is lost', () => {
  const { stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww', file], { encoding: 'utf8' });
  expect(stderr.split('\n').filter((each) => each !== '' && !/can't break line|cannot adjust line/.test(each))).toEqual(
    [],
  );
  expect(stdout).toMatch(/outrigger control.plane ..config mesh\/ ..data.dir .outrigger/);
});
