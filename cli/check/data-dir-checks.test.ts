import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataDirFindings } from './data-dir-checks.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrigger-data-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'authority'), { mode: 0o700 });
  for (const name of ['authority/issuing.log', 'local-token', 'instances.json'])
    writeFileSync(join(folder, name), '', { mode: 0o600 });
  writeFileSync(join(folder, 'trust-bundle.pem'), '', { mode: 0o644 });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('rights as they are made are fine', () => {
  expect(dataDirFindings(folder)).toMatchObject([{ level: 'ok' }]);
});

test.each([
  ['.', 0o777, /others may write there/, /^chmod go-w /],
  [
    'authority',
    0o750,
    /has the mode 0750: others may have read its keys/,
    /^chmod go-rwx .*authority; .*identity rotate$/,
  ],
  ['authority/issuing.log', 0o644, /issuing\.log has the mode 0644/, /^chmod go-rwx /],
  ['local-token', 0o640, /others may read it/, /^chmod go-rwx .*local-token$/],
  ['trust-bundle.pem', 0o666, /others may say whom sidecars believe/, /^chmod go-w /],
])('rights of %s that are wider are a problem, with the command that mends it', (name, mode, text, next) => {
  chmodSync(join(folder, name), mode);
  expect(dataDirFindings(folder)).toEqual([
    { group: 'data directory', level: 'problem', text: expect.stringMatching(text), next: expect.stringMatching(next) },
  ]);
});

test('what is not there is not looked at', () => {
  expect(dataDirFindings(join(folder, 'none'))).toMatchObject([{ level: 'skipped' }]);
  rmSync(join(folder, 'authority'), { recursive: true });
  expect(dataDirFindings(folder)).toMatchObject([{ level: 'skipped' }]);
});
