import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startUpCompilerFlags } from './start-up-compilers.ts';

test('bin/outrigger starts a sidecar as run does', () => {
  const script = readFileSync(join(import.meta.dirname, '../bin/outrigger'), 'utf8');
  expect(script).toContain(startUpCompilerFlags.join(' '));
});

test('the counts that come back are those of this V8', () => {
  const options = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  const source = readFileSync(join(import.meta.dirname, 'start-up-compilers.ts'), 'utf8');
  for (const flag of startUpCompilerFlags.map((text) => text.split('=')[0]!)) {
    const usual = new RegExp(`default: ${flag}=(\\d+)`).exec(options)?.[1];
    const written = new RegExp(`'${flag}', ([\\d_]+),`).exec(source)?.[1];
    expect([flag, written?.replaceAll('_', '')]).toEqual([flag, usual]);
  }
});
