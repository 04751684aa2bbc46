import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDataFolder } from './data-folder.ts';

test('folders of demos that are gone are removed at the next start; those of others stay', () => {
  const parent = mkdtempSync(join(tmpdir(), 'outrigger-data-folder-'));
  const dead = join(parent, 'outrigger-demo-2147483000-abcdef');
  const others = [
    'outrigger-demo-x',
    'outrigger-demo-2147483000',
    'other-2147483000-a',
    `outrigger-demo-${process.ppid}-a`,
  ];
  for (const path of [dead, ...others.map((name) => join(parent, name))]) {
    mkdirSync(path);
    writeFileSync(join(path, 'local-token'), 'x');
  }
  const folder = makeDataFolder(parent);
  expect(basename(folder)).toMatch(new RegExp(`^outrigger-demo-${process.pid}-\\w{6}$`));
  expect(existsSync(dead)).toBe(false);
  for (const name of others) expect(existsSync(join(parent, name))).toBe(true);
  expect(existsSync(makeDataFolder(parent))).toBe(true);
  expect(existsSync(folder)).toBe(true);
  rmSync(parent, { recursive: true });
});
