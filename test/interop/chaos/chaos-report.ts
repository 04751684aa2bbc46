/** What a run showed, in words for who reads the test's output. */
import type { ChaosResult } from './check-chaos.ts';
import type { ManagedProcess } from './managed-process.ts';

export function chaosReport(result: ChaosResult, processes: readonly ManagedProcess[]): string {
  const { requests, failed, posts, repeated, starved, figures, violations } = result;
  const faults = figures.reduce((sum, each) => sum + (each.name.startsWith('starved') ? 0 : each.faults), 0);
  const widest = Math.max(...figures.map(({ name }) => name.length));
  return [
    `${requests} requests (${posts} POST) through ${faults} faults: ${failed} failed (${((100 * failed) / requests).toFixed(2)} %), ${violations.length} violations; ${repeated} GET or PUT ran more than once; ${starved} failed only because the machine was busy`,
    ...figures.map(({ name, faults: count, failed: excused, lastFailureAfterMs }) => {
      const last =
        lastFailureAfterMs === -Infinity ? '' : `, the last began ${lastFailureAfterMs.toFixed(0)} ms after its fault`;
      return `  ${name.padEnd(widest)}  ${count} ×  ${excused} failed${last}`;
    }),
    `most memory: ${processes
      .filter(({ name }) => !name.endsWith(' app'))
      .map(({ name, peakRssMib }) => `${name} ${peakRssMib.toFixed(0)}`)
      .join(', ')} MiB`,
    ...violations.slice(0, 40),
  ].join('\n');
}
