/** What policies ask for and what is so: instances that can't do the mTLS that is asked of them, ports that still take plaintext, policies for nobody, and tokens that nobody can verify. */
import type { WorkloadRow } from '../../control-plane/admin/workload-list.ts';
import type { AdminFacts } from './admin-facts.ts';
import { counted, type Finding, Findings, named } from './findings.ts';

type PolicyFacts = Pick<AdminFacts, 'workloads' | 'proxies' | 'policies' | 'keySets' | 'authority'>;

export function policyFindings({ workloads, proxies, policies, keySets, authority }: PolicyFacts): Finding[] {
  const findings = new Findings('policies');
  if (authority !== null) plaintextFindings(findings, workloads);
  const permissive = proxies.filter(({ inbound }) => inbound?.mode === 'PERMISSIVE');
  for (const [cluster, rows] of Map.groupBy(permissive, (row) => row.cluster))
    findings.warning(
      `${cluster}: ${named(rows.map(({ nodeId }) => nodeId))} ${rows.length === 1 ? 'takes' : 'take'} plaintext beside mTLS (${named([...new Set(rows.map(({ inbound }) => inbound!.reason))])})`,
      'outrigger check --sidecar-admin HOST:PORT counts the plaintext requests that still come; when there are none, set STRICT',
    );
  refusedFindings(findings, proxies, policies);
  for (const { namespace, kind, name, holdsFor, workloads: count } of policies)
    if (count === 0)
      findings.warning(
        `${kind} ${namespace}/${name} holds for nothing that is there now (${named(holdsFor)})`,
        'mend its targetRefs or selector, unless what it is for comes later',
      );
  for (const { namespace, kind, name, warnings } of policies)
    for (const warning of warnings)
      findings.warning(
        `${kind} ${namespace}/${name}: ${warning}`,
        "ports in policies are those that applications listen on (a Service's targetPort, --port of run)",
      );
  for (const { namespace, kind, name, action, workloads: count } of policies) {
    if (kind !== 'FaultPolicy' || count === 0) continue;
    if (action.startsWith('over since'))
      findings.warning(`FaultPolicy ${namespace}/${name} is ${action}`, 'take it out of the configuration');
    else
      findings.warning(
        `FaultPolicy ${namespace}/${name} makes faults on purpose for ${counted(count, 'workload', 'workloads')} (${action})`,
        'take it out of the configuration when nobody needs it any more',
      );
  }
  const others = proxies.filter(({ kind }) => kind !== 'outrigger');
  const breakers = policies.filter(({ says }) => says.some((each) => /^circuit breaker: (?!off)/.test(each)));
  if (others.length > 0 && breakers.length > 0)
    findings.warning(
      `${named(others.map(({ nodeId }) => nodeId))} ${others.length === 1 ? 'is no sidecar' : 'are no sidecars'} of Outrigger: circuitBreaker of ${named(breakers.map(({ namespace, name }) => `TrafficPolicy ${namespace}/${name}`))} does not hold there`,
      'outlier detection and limits do hold; give the caller a sidecar of Outrigger where a circuit breaker is needed',
    );
  inboundFindings(findings, proxies, policies);
  for (const { source, problem, effect, hasKeys } of keySets) {
    const text = `keys of ${source}: ${problem}; ${effect}`;
    const next = 'let the control plane reach it, and let it hold a JSON Web Key Set; it is looked at again by itself';
    if (hasKeys) findings.warning(text, next);
    else findings.problem(text, next);
  }
  return findings.okUnlessSaid(
    policies.length === 0
      ? 'there are none: mTLS is STRICT, and everybody in the mesh may call everybody'
      : `${counted(policies.length, 'policy', 'policies')}, each holds for something`,
  );
}

/** Limits in front of applications whose proxies have none. */
function inboundFindings(findings: Findings, proxies: PolicyFacts['proxies'], policies: PolicyFacts['policies']): void {
  for (const { namespace, name, kind, says, holdsFor } of policies) {
    if (kind !== 'TrafficPolicy' || !says.some((each) => /^(?:inbound limits|critical|sheddable) \(/.test(each)))
      continue;
    const services = new Set(holdsFor.map((text) => text.replace(/^Service /, '').replace(/:.*$/, '')));
    const others = proxies.filter((proxy) => proxy.kind === 'envoy' && services.has(proxy.cluster));
    if (others.length > 0)
      findings.warning(
        `${named(others.map(({ nodeId }) => nodeId))} ${others.length === 1 ? 'is no sidecar' : 'are no sidecars'} of Outrigger: inboundLimits and priorities of TrafficPolicy ${namespace}/${name} do not hold in front of ${others.length === 1 ? 'its application' : 'their applications'}`,
        'adaptiveConcurrency and rate limits do hold; give the workload a sidecar of Outrigger where its limits are needed',
      );
  }
}

/** A proxy that refuses its listener keeps the policies that it had: a new DENY denies nothing there. */
function refusedFindings(findings: Findings, proxies: PolicyFacts['proxies'], policies: PolicyFacts['policies']): void {
  for (const { nodeId, refusedPolicies } of proxies) {
    if (refusedPolicies === '') continue;
    const held = policies.filter(({ refusedBy }) => refusedBy.includes(nodeId));
    findings.problem(
      `${nodeId} refused what policies say now, and goes on by those that it had before: what is new or changed since in ${held.length === 0 ? 'any policy' : named(held.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`))} is not in force there`,
      `it says ${refusedPolicies.length > 400 ? `${refusedPolicies.slice(0, 400)}…` : refusedPolicies}; mend what it names`,
    );
  }
}

/** Where STRICT is asked for, and callers speak plaintext because the instance has no identity. */
function plaintextFindings(findings: Findings, workloads: readonly WorkloadRow[]): void {
  const plain = workloads.filter(({ mode, identity }) => mode === 'STRICT' && identity === '');
  const refused = plain.filter(({ sidecar }) => sidecar !== null && sidecar.identity !== '');
  const asked = plain.filter((row) => !row.byDefault && !refused.includes(row));
  // A sidecar without an identity is told of among identities.
  const byDefault = plain.filter((row) => row.byDefault && row.sidecar === null);
  for (const [service, rows] of byService(refused))
    findings.problem(
      `${service}: callers speak plaintext to ${places(rows)}, and are refused there (403, ${rows[0]!.reason}): ${
        rows[0]!.source === 'file'
          ? 'an address in a file has no identity'
          : 'it registered without an identity, and its sidecar has one'
      }`,
      rows[0]!.source === 'file'
        ? `take the address out of spec.endpoints of ${service}: its sidecar registers it, with its identity`
        : 'start it again with its proof, so that it registers by the TLS door; until then, PeerAuthentication PERMISSIVE lets callers in',
    );
  for (const [service, rows] of byService(asked))
    findings.problem(
      `${service}: ${places(rows)} can't do the mTLS that ${rows[0]!.reason} asks for: without an identity callers speak plaintext to it, and are refused, or are let in by what does not look`,
      `give its sidecar a proof (docs/identity.md), or say that plaintext is meant: PeerAuthentication DISABLE for ${service}`,
    );
  for (const [service, rows] of byService(byDefault))
    findings.warning(
      `${service}: callers speak plaintext to ${places(rows)}, which has no identity`,
      `put a sidecar there, or say that this is meant: PeerAuthentication DISABLE for ${service}`,
    );
}

function byService(rows: readonly WorkloadRow[]): Map<string, WorkloadRow[]> {
  return Map.groupBy(rows, ({ service }) => service);
}

function places(rows: readonly WorkloadRow[]): string {
  return named(rows.map(({ address }) => address));
}
