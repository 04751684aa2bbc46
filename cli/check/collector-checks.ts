/** Collectors that Telemetry documents name: whether there is anybody behind them, and whether this machine reaches them. Sidecars that run elsewhere may see it differently, so what fails from here is a warning. */
import { type HostPort, isLoopback, parseHostPort } from '../host-port.ts';
import type { AdminFacts } from './admin-facts.ts';
import { counted, type Finding, Findings, named } from './findings.ts';

type Collector = AdminFacts['collectors'][number];

/** Of a Service so many addresses are tried. */
const mostTried = 3;

const advice =
  'is the collector up? Where only the sidecars reach it: outrigger check --sidecar-admin HOST:PORT says what was lost';

/** `reach`: '' or why there is no connection. */
export async function collectorFindings(
  { collectors, endpoints }: Pick<AdminFacts, 'collectors' | 'endpoints'>,
  reach: (address: HostPort) => Promise<string>,
): Promise<Finding[]> {
  const findings = new Findings('collectors');
  for (const told of await Promise.all(collectors.map((each) => look(each, endpoints, reach)))) told(findings);
  return findings.okUnlessSaid(
    collectors.length === 0
      ? 'no Telemetry document names one'
      : `${counted(collectors.length, 'is', 'are')} named by Telemetry documents`,
  );
}

async function look(
  { place, service, host, port, namedBy, problem }: Collector,
  endpoints: AdminFacts['endpoints'],
  reach: (address: HostPort) => Promise<string>,
): Promise<(findings: Findings) => void> {
  const what = `${place} (of Telemetry ${named(namedBy)})`;
  if (problem !== '')
    return (findings) => findings.problem(`${what}: ${problem}`, 'mend the Telemetry document, or add the Service');
  if (service === '' && (isLoopback(host) || host === 'localhost'))
    return (findings) =>
      findings.skipped(
        `${what} is beside each proxy: it was not looked at`,
        'outrigger check --sidecar-admin HOST:PORT, there',
      );
  const behind =
    service === ''
      ? [{ host, port }]
      : endpoints
          .filter((each) => each.service === service && each.port === port)
          .map(({ address }) => parseHostPort('address', address));
  if (behind.length === 0)
    return (findings) =>
      findings.problem(
        `${what}: no instance of the Service is there`,
        'start the collector, or see outrigger get endpoints',
      );
  const faults = await Promise.all(behind.slice(0, mostTried).map(reach));
  const why = faults.find((fault) => fault === '') ?? faults[0]!;
  return (findings) => {
    if (why === '') findings.ok(`${what} can be reached`);
    else findings.warning(`${what} can't be reached from here: ${why}`, advice);
  };
}
