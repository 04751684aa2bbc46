/** Services that are configured: whether anybody is there to answer. */
import type { AdminFacts } from './admin-facts.ts';
import { counted, type Finding, Findings, named } from './findings.ts';

export function serviceFindings({ services }: Pick<AdminFacts, 'services'>): Finding[] {
  const findings = new Findings('services');
  const withPorts = services.filter(({ ports }) => ports.length > 0);
  const nameOf = ({ namespace, name }: AdminFacts['services'][number]): string => `${namespace}/${name}`;
  const empty = withPorts.filter(({ endpoints }) => endpoints === 0).map(nameOf);
  if (empty.length > 0)
    findings.warning(
      `${counted(empty.length, 'Service has', 'Services have')} no instance (${named(empty)}): calls are answered 503 (UH)`,
      'start an instance, unless it is meant; outrigger edges shows who calls it',
    );
  const ill = withPorts
    .filter(({ endpoints, healthyEndpoints }) => endpoints > 0 && healthyEndpoints === 0)
    .map(nameOf);
  if (ill.length > 0)
    findings.warning(
      `${counted(ill.length, 'Service has', 'Services have')} instances of which none is healthy (${named(ill)})`,
      'outrigger get endpoints',
    );
  return findings.okUnlessSaid(
    withPorts.length === 0
      ? 'there are none'
      : `${counted(withPorts.length, 'has', 'have')} at least one instance that is healthy`,
  );
}
