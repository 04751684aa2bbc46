import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readAdminToken } from './admin-token.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-admin-token-'));
afterAll(() => rmSync(folder, { recursive: true }));
const token = 'b1946ac92492d2347c6235b4d2611184';

test('a file that a flag names wins over the environment; without both there is none', () => {
  const file = join(folder, 'token');
  writeFileSync(file, `${token}\n`);
  expect(readAdminToken({ 'admin-token-file': file }, { OUTRIGGER_ADMIN_TOKEN: 'x'.repeat(20) })).toBe(token);
  expect(readAdminToken({}, { OUTRIGGER_ADMIN_TOKEN: token })).toBe(token);
  expect(readAdminToken({}, {})).toBe('');
});

test('what is no token is told, not taken', () => {
  const file = join(folder, 'bad');
  for (const text of ['', '\n', 'short', 'two words that are long enough']) {
    writeFileSync(file, text);
    expect(() => readAdminToken({ 'admin-token-file': file }, {})).toThrow('an admin token is one word');
  }
  expect(() => readAdminToken({ 'admin-token-file': join(folder, 'none') }, {})).toThrow('there is no ');
  expect(() => readAdminToken({}, { OUTRIGGER_ADMIN_TOKEN: 'short' })).toThrow('OUTRIGGER_ADMIN_TOKEN: ');
});
