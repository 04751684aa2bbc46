/** A store as a scraper sees it that takes text. */
import { textPieces } from '../../../metrics/text-format.ts';
import { statFamilies } from '../stat-families.ts';
import type { StatStore } from '../stat-store.ts';

export function prometheusText(store: StatStore): string {
  const looking = statFamilies(store, { filter: null, usedOnly: false });
  let step = looking.next();
  while (step.done !== true) step = looking.next();
  return [...textPieces(step.value, 'text')].join('');
}
