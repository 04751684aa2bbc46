/** Of what both sides of edges tell of the same time: each call once. The caller's view counts, where there is one. */
import type { EdgeSum } from './edge-sum.ts';
import type { SameInstances } from './shared-instances.ts';
import { ToldByCallers } from './told-by-callers.ts';

export interface StepSide {
  readonly direction: string;
  readonly source: string;
  readonly destination: string;
  readonly sum: Pick<EdgeSum, 'requests' | 'secured'>;
}

/** Reports of two sides are not of the same moments. */
const noise = 0.1;
const noisyRequests = 2;

/** `end`: of which the sum is. A service is asked about by each of its names; who calls it does so by one. */
export function countedOnce<Side extends StepSide>(
  sides: readonly Side[],
  end: 'source' | 'destination',
  sameInstances: SameInstances,
): Side[] {
  const told = new ToldByCallers();
  for (const { direction, source, destination, sum } of sides)
    if (direction !== 'inbound') told.add(source, destination, Math.max(0, sum.requests - sum.secured));
  return sides.filter(({ direction, source, destination, sum }) => {
    if (direction !== 'inbound') return true;
    if (source !== 'unknown') return !told.tells(source, end === 'source' ? sameInstances(destination) : [destination]);
    const plain = told.plain(sameInstances(destination));
    return sum.requests > plain * (1 + noise) + (plain > 0 ? noisyRequests : 0);
  });
}
