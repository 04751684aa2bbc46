/** `outrigger simulate`: what it prints and writes, and the exit code. What it plays is tested with cli/simulate. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { simulationText } from '../simulate/test/played.ts';
import { simulate } from './simulate.ts';
import { captureOutput, temporaryFolder } from './test/command-output.ts';

const folder = temporaryFolder('simulate');
const file = join(folder, 'simulation.yaml');
const output = captureOutput();
beforeEach(() =>
  writeFileSync(file, simulationText({ services: [{ name: 'a' }], load: [{ service: 'a', rate: 10 }] })),
);

test('the result goes to stdout, the time that it took to stderr, the chart to its file', async () => {
  const chart = join(folder, 'chart.svg');
  let now = 0;
  expect(await simulate(file, { output: 'table', chart }, () => (now += 1500))).toBe(0);
  expect(output.out).toMatch(/^test: 60 s of virtual time, seed 1\n/);
  expect(output.err).toBe(`took 1.5 s; the chart is in ${chart}\n`);
  expect(readFileSync(chart, 'utf8')).toMatch(/^<svg /);
});

test('programs get the same as JSON and YAML, and another seed and duration where they ask for one', async () => {
  expect(await simulate(file, { output: 'json', seed: '5', duration: '2s' }, () => 0)).toBe(0);
  expect(JSON.parse(output.out)).toMatchObject({ name: 'test', seed: 5, durationMs: 2000, variants: [{ name: '' }] });
  output.out = '';
  expect(await simulate(file, { output: 'yaml', duration: '2s' }, () => 0)).toBe(0);
  expect(output.out).toMatch(/^name: test\nseed: 1\n/);
});

test('every fault of the file is told in a line, and the exit code is 1', async () => {
  writeFileSync(file, simulationText({ services: [{ name: 'a', latency: 'fast' }], load: [{ service: 'a' }] }));
  expect(await simulate(file, { output: 'table' }, () => 0)).toBe(1);
  expect(output.out).toBe('');
  expect(output.err.trimEnd().split('\n')).toEqual([
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
