import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listFiles } from './list-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-list-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('an entry that cannot be looked at is a fault of its own; everything beside it is listed', () => {
  for (const name of ['a.yaml', 'z.yaml']) writeFileSync(join(folder, name), '');
  // Leads to itself: neither a file nor missing.
  symlinkSync('loop.yaml', join(folder, 'loop.yaml'));
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'sub/b.yaml'), '');
  const list = listFiles([folder], new Set());
  expect(list.files.map((file) => file.slice(folder.length + 1))).toEqual(['a.yaml', 'sub/b.yaml', 'z.yaml']);
  expect(list.folders).toEqual([folder, join(folder, 'sub')]);
  expect(list.faults).toMatchObject([{ file: join(folder, 'loop.yaml') }]);
  // What was read from it before is unknown now, not gone; of its folder, all is known.
  expect(list.unreadable).toEqual([join(folder, 'loop.yaml')]);
});

test.skipIf(process.getuid?.() === 0)('a folder that may not be read does not hide what is beside it', () => {
  writeFileSync(join(folder, 'a.yaml'), '');
  const closed = join(folder, 'closed');
  mkdirSync(closed);
  chmodSync(closed, 0);
  const list = listFiles([folder], new Set());
  chmodSync(closed, 0o700);
  expect(list.files).toEqual([join(folder, 'a.yaml')]);
  expect(list.unreadable).toEqual([closed]);
});
