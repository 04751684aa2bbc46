import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gzipSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import { DashboardFiles } from './dashboard-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-dashboard-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'index.html'), '<p>page</p>');
writeFileSync(join(folder, 'app-1234.js'), 'code');
writeFileSync(join(folder, 'app-1234.js.gz'), gzipSync('code'));
writeFileSync(join(folder, 'app-1234.js.br'), brotliCompressSync('code'));
writeFileSync(join(folder, 'secret'), 'no type');
mkdirSync(join(folder, 'below'));
const files = DashboardFiles.load(folder)!;

it('is none where none was built', () => {
  expect(DashboardFiles.load(join(folder, 'nowhere'))).toBe(null);
  expect(DashboardFiles.load(join(folder, 'below'))).toBe(null);
});

it.each(['/', '/dashboard', '/dashboard/', '/dashboard/index.html'])(
  'gives the page at %s, to be asked for anew',
  (path) => {
    expect(files.answer(path, {})).toMatchObject({
      type: 'text/html; charset=utf-8',
      headers: { 'cache-control': 'no-cache' },
    });
  },
);

it.each([
  ['br first', 'gzip, deflate, br, zstd', 'br'],
  ['gzip', 'gzip', 'gzip'],
  ['gzip where br is refused', 'br;q=0, gzip', 'gzip'],
  ['as it is', 'identity', undefined],
])('gives what never changes compressed as the browser takes it: %s', (_, accepted, coding) => {
  const answer = files.answer('/dashboard/app-1234.js', { 'accept-encoding': accepted })!;
  expect(answer.headers['content-encoding']).toBe(coding);
  expect(answer.headers['cache-control']).toContain('immutable');
  if (coding === 'br') expect(brotliDecompressSync(answer.body).toString()).toBe('code');
});

it.each([
  '/dashboard/secret',
  '/dashboard/app-1234.js.gz',
  '/dashboard/../package.json',
  '/dashboard/%2e%2e/package.json',
  '/dashboard/below',
  '/app-1234.js',
  '/dashboard/__proto__',
])('serves nothing else: %s', (path) => {
  expect(files.answer(path, {})).toBe(null);
});
