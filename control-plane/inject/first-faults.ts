/** How many faults of a pod are told: whoever writes thousands mends ten at a time, and a hostile pod costs no more than that. */

export const maxFaults = 10;

/** The first ones, and that there are more. */
export function firstFaults(faults: readonly string[]): readonly string[] {
  return faults.length > maxFaults ? [...faults.slice(0, maxFaults), 'and more'] : faults;
}
