/** What a simulation's script says and what would never happen: a failure or a rate that begins when the simulation is over, a failure of more endpoints than there are. Taken as written, they would look like something that a policy survived. */
import { durationMs } from '../../control-plane/config-kind/duration.ts';
import type { SimulationDocument } from './simulation-schema.ts';

export interface NeverHappens {
  /** From the document's root. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const defaultDuration = '60s';

/** That no duration would mend. */
export function moreThanThereAre({ spec }: SimulationDocument): NeverHappens[] {
  return spec.services.flatMap(({ endpoints: count = 1, failures = [] }, service) =>
    failures.flatMap(({ endpoints }, failure) =>
      typeof endpoints === 'number' && endpoints > count
        ? [
            {
              path: ['spec', 'services', service, 'failures', failure, 'endpoints'],
              message: `${endpoints} are more than the service has (${count}); leave it out for all of them`,
            },
          ]
        : [],
    ),
  );
}

/** `otherDurationMs`: instead of the file's, by `--duration`. */
export function afterTheEnd({ spec }: SimulationDocument, otherDurationMs: number | undefined): NeverHappens[] {
  const { duration = defaultDuration } = spec;
  const endMs = otherDurationMs ?? durationMs(duration);
  const end = otherDurationMs === undefined ? `spec.duration is ${duration}` : `--duration is ${endMs / 1000}s`;
  const late = (path: readonly PropertyKey[], at: string): NeverHappens[] =>
    durationMs(at) < endMs
      ? []
      : [{ path: [...path, 'at'], message: `${at} is not before the end (${end}): it never begins` }];
  return [
    ...spec.services.flatMap(({ failures = [] }, service) =>
      failures.flatMap(({ at }, failure) => late(['spec', 'services', service, 'failures', failure], at)),
    ),
    ...spec.load.flatMap(({ rate }, load) =>
      Array.isArray(rate) ? rate.flatMap(({ at }, step) => late(['spec', 'load', load, 'rate', step], at)) : [],
    ),
  ];
}
