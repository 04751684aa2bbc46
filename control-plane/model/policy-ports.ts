/** Ports that policies name, which are those of applications; and what is said of one that is a Service's instead, which no workload has. */
import type { AuthorizationRule } from '../config-kind/policy-resource.ts';
import type { ServicePortSpec } from '../config-kind/resource.ts';

export interface NamedPort {
  readonly port: number;
  /** Field path: `spec.rules[0]` */
  readonly path: string;
}

/** Each port once for each rule. */
export function portsOfRules(rules: readonly AuthorizationRule[]): NamedPort[] {
  return rules.flatMap(({ to, when }, at) => {
    const ports = [...to.flat(), ...when].flatMap((condition) =>
      condition.attribute === 'port' ? [...condition.values, ...condition.notValues] : [],
    );
    return [...new Set(ports)].map((port) => ({ port, path: `spec.rules[${at}]` }));
  });
}

export function portsOfPeers(ports: ReadonlyArray<{ readonly port: number }>): NamedPort[] {
  return ports.map(({ port }) => ({ port, path: 'spec.portLevelMtls' }));
}

type ServicePort = Pick<ServicePortSpec, 'port' | 'targetPort'>;

/** Of configuration alone: why this port is likely not meant; '' when an application may well listen there, which cannot be known before it runs. */
export function servicePortFault(port: number, ports: readonly ServicePort[]): string {
  const meant = ports.flatMap((each) =>
    each.port === port && each.targetPort !== null && each.targetPort !== port ? [each.targetPort] : [],
  );
  if (meant.length === 0 || ports.some(({ targetPort }) => targetPort === port || targetPort === null)) return '';
  return `port ${port} is the Service's, and policies look at the one that the application listens on: ${orList(meant)} was probably meant`;
}

/** A workload that a policy holds for. */
export interface PlacedWorkload {
  /** Where its application listens. */
  readonly appPort: number;
  readonly servicePorts: readonly ServicePort[];
}

/** Of what runs: why this port matches nobody; '' when somebody has it, or nobody is there. */
export function unmatchedPort(port: number, workloads: readonly PlacedWorkload[]): string {
  if (workloads.length === 0 || workloads.some(({ appPort }) => appPort === port)) return '';
  const behind = workloads.filter(({ servicePorts }) => servicePorts.some((each) => each.port === port));
  const said = `no application that it holds for listens on port ${port}`;
  return behind.length > 0
    ? `${said}, which is a Service's: ${orList(behind.map(({ appPort }) => appPort))} was probably meant, where the application behind it listens`
    : `${said}: they listen on ${orList(workloads.map(({ appPort }) => appPort))}`;
}

const mostNamed = 4;

function orList(ports: readonly number[]): string {
  const each = [...new Set(ports)].toSorted((a, b) => a - b);
  const more = each.length - mostNamed;
  return more > 0 ? `${each.slice(0, mostNamed).join(', ')} or ${more} more` : each.join(' or ');
}
