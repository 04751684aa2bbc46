/** `outrigger simulate`: what it prints and writes, and the exit code. What it plays is tested with cli/simulate. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { simulationText } from '../simulate/test/played.ts';
import { simulate } from './simulate.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-simulate-'));
const file = join(folder, 'simulation.yaml');
let out: string;
let err: string;

beforeEach(() => {
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true));
  writeFileSync(file, simulationText({ services: [{ name: 'a' }], load: [{ service: 'a', rate: 10 }] }));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the result goes to stdout, the time that it took to stderr, the chart to its file', async () => {
  const chart = join(folder, 'chart.svg');
  let now = 0;
  expect(await simulate(file, { output: 'table', chart }, () => (now += 1500))).toBe(0);
  expect(out).toMatch(/^test: 60 s of virtual time, seed 1\n/);
  expect(err).toBe(`took 1.5 s; the chart is in ${chart}\n`);
  expect(readFileSync(chart, 'utf8')).toMatch(/^<svg /);
});

test('programs get the same as JSON and YAML, and another seed and duration where they ask for one', async () => {
  expect(await simulate(file, { output: 'json', seed: '5', duration: '2s' }, () => 0)).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ name: 'test', seed: 5, durationMs: 2000, variants: [{ name: '' }] });
  out = '';
  expect(await simulate(file, { output: 'yaml', duration: '2s' }, () => 0)).toBe(0);
  expect(out).toMatch(/^name: test\nseed: 1\n/);
});

test('every fault of the file is told in a line, and the exit code is 1', async () => {
  writeFileSync(file, simulationText({ services: [{ name: 'a', latency: 'fast' }], load: [{ service: 'a' }] }));
  expect(await simulate(file, { output: 'table' }, () => 0)).toBe(1);
  expect(out).toBe('');
  expect(err.trimEnd().split('\n')).toEqual([
    expect.stringMatching(
      /^outrigger: .*simulation\.yaml:\d+:\d+: spec\.services\[0\]\.latency: "fast" is not a duration/,
    ),
    expect.stringMatching(/^outrigger: .*: spec\.load\[0\]: needs rate or clients/),
  ]);
});

test('wrong flags and files that are not there are told as everywhere', async () => {
  await expect(simulate(file, { output: 'table', chart: 'a.png' }, () => 0)).rejects.toThrow('neither .svg nor .html');
  await expect(simulate(file, { output: 'table', seed: '-1' }, () => 0)).rejects.toThrow(
    '--seed: "-1" is not a whole number',
  );
  await expect(simulate(file, { output: 'table', duration: '1' }, () => 0)).rejects.toThrow('--duration');
  await expect(simulate(join(folder, 'gone.yaml'), { output: 'table' }, () => 0)).rejects.toThrow(
    'there is no such file',
  );
  const chart = join(folder, 'no', 'chart.svg');
  await expect(simulate(file, { output: 'table', duration: '1s', chart }, () => 0)).rejects.toThrow(
    'cannot be written',
  );
});
