/** Whether manifests are what Kubernetes takes, by its own schemas of the oldest and the newest release that we look at, each object by itself and strictly. Objects of kinds without a schema would be left out by name. */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { peer } from './programs.ts';

export function expectValid(files: readonly string[]): void {
  const words = ['--strict', '--no-warn', '-k', '1.29', '-k', '1.37', ...files];
  const { status, stdout, stderr } = spawnSync(peer('kubernetes-validate'), words, { encoding: 'utf8' });
  expect(
    `${stdout}${stderr}`
      .split('\n')
      .filter((line) => !line.startsWith('INFO'))
      .join('\n'),
  ).toBe('');
  expect(status).toBe(0);
}
