/** Clusters whose connections show a certificate of ours, to all of their hosts or to those that take it. */
import type { Configuration } from '../config/configuration.ts';

export function clustersWithCertificate({ clusters }: Configuration): string[] {
  return [...clusters.values()]
    .filter(({ value: { tls, transportMatches = [] } }) =>
      [tls, ...transportMatches.map((match) => match.tls)].some(
        (each) => each !== null && (each.certificates.length > 0 || (each.certificateSecret ?? null) !== null),
      ),
    )
    .map(({ value }) => value.name);
}
