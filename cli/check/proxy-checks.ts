/** Connected proxies: what they refused or have not taken, who has no identity, and whose certificate comes to its end. */
import { ClientResourceStatus } from '../../proto/generated/envoy/admin/v3/config_dump_shared_pb.js';
import { type ClientStatusResponse, ConfigStatus } from '../../proto/generated/envoy/service/status/v3/csds_pb.js';
import { spanText } from '../../sidecar/runtime/span-text.ts';
import type { AdminFacts } from './admin-facts.ts';
import { counted, type Finding, Findings, named } from './findings.ts';

/** `orders-1 Listener` → the names of what is so. */
export type ResourceNames = ReadonlyMap<string, readonly string[]>;

const maxDetails = 400;

/** `stillStale`: of {@link staleResources}, twice in a row: a moment's is usual after each change. */
export function configurationTaken(response: ClientStatusResponse, stillStale: ResourceNames): Finding[] {
  const findings = new Findings('proxies');
  for (const { node, genericXdsConfigs } of response.config) {
    const id = node?.id ?? '';
    const refused = genericXdsConfigs.filter(
      ({ configStatus, clientStatus }) =>
        configStatus === ConfigStatus.ERROR || clientStatus === ClientResourceStatus.NACKED,
    );
    for (const [typeUrl, entries] of Map.groupBy(refused, (entry) => entry.typeUrl)) {
      const details = entries.find(({ errorState }) => errorState !== undefined)?.errorState?.details ?? '';
      findings.problem(
        `${id} refused ${typeName(typeUrl)} ${named(entries.map(({ name }) => name))}: ${cut(details)}`,
        'it goes on with what it had before; mend what it names (a port that is taken, a field that it does not know), and it is sent again',
      );
    }
  }
  for (const [where, names] of stillStale)
    findings.warning(
      `${where} ${named(names)}: sent, and not taken yet`,
      'does the process still answer? Its log says what holds it up; outrigger status shows whether it has caught up',
    );
  const count = response.config.length;
  return findings.okUnlessSaid(
    count === 0
      ? 'none is connected'
      : count === 1
        ? '1 is connected, and has taken its configuration'
        : `${count} are connected, and have taken their configuration`,
  );
}

/** What was sent and is not acknowledged, by proxy and type. */
export function staleResources(response: ClientStatusResponse): ResourceNames {
  const found = new Map<string, string[]>();
  for (const { node, genericXdsConfigs } of response.config) {
    for (const { typeUrl, name, configStatus } of genericXdsConfigs) {
      if (configStatus !== ConfigStatus.STALE) continue;
      const key = `${node?.id ?? ''}: ${typeName(typeUrl)}`;
      found.set(key, [...(found.get(key) ?? []), name]);
    }
  }
  return found;
}

/** What is in both. */
export function staleInBoth(first: ResourceNames, second: ResourceNames): ResourceNames {
  const both = new Map<string, readonly string[]>();
  for (const [key, names] of second) {
    const still = names.filter((name) => first.get(key)?.includes(name) === true);
    if (still.length > 0) both.set(key, still);
  }
  return both;
}

/** `nowMs`: the control plane's clock. Without an authority nobody can have an identity, which is said elsewhere. */
export function identityFindings(
  { proxies, authority, workloads }: Pick<AdminFacts, 'proxies' | 'authority' | 'workloads'>,
  nowMs: number,
): Finding[] {
  const findings = new Findings('identities');
  if (authority === null) {
    findings.warning(
      'there is no TLS door (--listen-tls off): no proxy has an identity, and everything between them is plaintext',
      'start the control plane with a TLS door, unless this is meant',
    );
    return findings.all;
  }
  // Sidecars register themselves, and keep their stream: who did the one has lost the other.
  const lost = workloads.filter(
    ({ source, identity, sidecar }) => source === 'registry' && identity !== '' && sidecar === null,
  );
  if (lost.length > 0)
    findings.warning(
      `${counted(lost.length, 'registered instance is', 'registered instances are')} not connected for configuration: ${named(lost.map(({ service, instanceId }) => `${service} ${instanceId}`))}`,
      'what changes does not reach it; its log says why the configuration stream is not there, and outrigger status who has one',
    );
  const without = proxies.filter(({ identity }) => identity === '');
  const withoutSidecar = without.filter(({ kind }) => kind === 'grpc');
  for (const [cluster, rows] of Map.groupBy(
    without.filter(({ kind }) => kind !== 'grpc'),
    (row) => row.cluster,
  ))
    findings.warning(
      `${cluster}: ${named(rows.map(({ nodeId }) => nodeId))} ${rows.length === 1 ? 'has' : 'have'} no identity: what goes in and out there is plaintext`,
      'give a proof (--join-token-file, --kubernetes-token-file), or run it as the user of the control plane on the same machine: docs/identity.md',
    );
  if (withoutSidecar.length > 0)
    findings.warning(
      `proxyless gRPC ${counted(withoutSidecar.length, 'client', 'clients')} (${named(withoutSidecar.map(({ nodeId }) => nodeId))}): no identity, and plaintext`,
      'give it a sidecar where the services that it calls are STRICT',
    );
  for (const { nodeId, identity, certificate } of proxies) {
    if (certificate === null) continue;
    const untilMs = Date.parse(certificate.validUntil);
    const leftMs = untilMs - nowMs;
    const lifeMs = Math.min(authority.certificateLifetimeSeconds * 1000, untilMs - Date.parse(certificate.validFrom));
    const next = `its log says why it is not renewed, as does outrigger identity show --admin HOST:PORT of ${nodeId}`;
    if (Date.parse(certificate.validFrom) > nowMs)
      findings.problem(
        `${nodeId}: the certificate of ${identity} is not yet valid, before ${certificate.validFrom}`,
        'a clock was set back: set all clocks by NTP',
      );
    else if (leftMs <= 0)
      findings.problem(`${nodeId}: the certificate of ${identity} expired at ${certificate.validUntil}`, next);
    else if (leftMs < lifeMs / 4)
      findings.problem(
        `${nodeId}: less than a quarter of the life of the certificate of ${identity} is left (${spanText(leftMs)}, until ${certificate.validUntil}): renewals fail`,
        next,
      );
  }
  const count = proxies.length - without.length;
  return findings.okUnlessSaid(
    count === 0
      ? 'there are none yet'
      : `${counted(count, 'proxy has one', 'proxies have one each')}, and time enough to renew it`,
  );
}

function typeName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}

function cut(text: string): string {
  return text.length > maxDetails ? `${text.slice(0, maxDetails)}…` : text;
}
