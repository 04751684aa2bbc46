/** `outrigger check`: looks at an installation from outside, as its users do, and says what is wrong and what mends it. What is looked at stands in a file a group under check/. */
import { join } from 'node:path';
import { version } from '../../sidecar/runtime/version.ts';
import { type AdminFacts, fetchFacts } from '../check/admin-facts.ts';
import { authorityFindings } from '../check/authority-checks.ts';
import { collectorFindings } from '../check/collector-checks.ts';
import { connects } from '../check/connects.ts';
import { configurationFindings, controlPlaneFindings, versionFindings } from '../check/control-plane-checks.ts';
import { dataDirFindings } from '../check/data-dir-checks.ts';
import { tlsDoorFindings } from '../check/door-checks.ts';
import { type Finding, Findings } from '../check/findings.ts';
import { fetchObservability, observabilityFindings } from '../check/observability-checks.ts';
import { policyFindings } from '../check/policy-checks.ts';
import { findingsText } from '../check/print-findings.ts';
import { configurationTaken, identityFindings, staleInBoth, staleResources } from '../check/proxy-checks.ts';
import { serviceFindings } from '../check/service-checks.ts';
import { fetchSidecar, sidecarFindings } from '../check/sidecar-checks.ts';
import { fetchClientStatus } from '../client-status.ts';
import { defaultDataDir } from '../data-dir.ts';
import { formatHostPort, type HostPort, isLoopback, parseHostPort } from '../host-port.ts';
import type { OutputFormat } from '../print-data.ts';
import { UserError } from '../user-error.ts';

export interface CheckOptions {
  readonly controlPlaneAdmin: string;
  readonly controlPlane?: string;
  readonly controlPlaneTls?: string;
  readonly trustBundle?: string;
  readonly dataDir?: string;
  readonly sidecarAdmin?: string;
  readonly output: OutputFormat;
}

/** After a change proxies need a moment; what is still not taken after this is worth a word. */
const staleAfterMs = 2_000;

/** Exit code 1 when there is a problem. */
export async function check(options: CheckOptions, nowMs: () => number): Promise<number> {
  const findings = await checkFindings(options, nowMs);
  process.stdout.write(findingsText(findings, options.output));
  return findings.some(({ level }) => level === 'problem') ? 1 : 0;
}

export function checkFindings(options: CheckOptions, nowMs: () => number): Promise<Finding[]> {
  return options.sidecarAdmin === undefined ? installation(options, nowMs) : oneSidecar(options.sidecarAdmin, nowMs);
}

async function oneSidecar(text: string, nowMs: () => number): Promise<Finding[]> {
  const address = parseHostPort('--sidecar-admin', text);
  try {
    const facts = await fetchSidecar(address);
    const observability = await fetchObservability(address);
    return [...sidecarFindings(facts, address, nowMs()), ...observabilityFindings(observability, address, version)];
  } catch (error) {
    return [
      unreachable(
        'sidecar',
        error,
        'its admin port is what it was started with: --admin of outrigger sidecar (by default 127.0.0.1:15000), --sidecar-admin of outrigger run',
      ),
    ];
  }
}

async function installation(options: CheckOptions, nowMs: () => number): Promise<Finding[]> {
  const admin = parseHostPort('--control-plane-admin', options.controlPlaneAdmin);
  const plainFlag = options.controlPlane === undefined ? null : parseHostPort('--control-plane', options.controlPlane);
  const tlsFlag =
    options.controlPlaneTls === undefined ? null : parseHostPort('--control-plane-tls', options.controlPlaneTls);
  const dataDir = options.dataDir ?? defaultDataDir(process.env);
  let facts: AdminFacts;
  try {
    facts = await fetchFacts(admin, nowMs);
  } catch (error) {
    return [
      unreachable('control plane', error, 'nothing else can be looked at without it'),
      ...dataDirFindings(dataDir),
    ];
  }
  const { info, authority } = facts;
  /** The control plane's certificates are judged by its own clock. */
  const theirsMs = Date.parse(info.now);
  const tls = info.listenTls === '' ? null : (tlsFlag ?? reachedAs(info.listenTls, admin));
  const [plain, collectors, tlsFindings] = await Promise.all([
    plainDoor(plainFlag ?? reachedAs(info.listen, admin), plainFlag === null && !isLoopback(admin.host)),
    collectorFindings(facts, connects),
    tls === null
      ? []
      : tlsDoorFindings(
          {
            address: tls,
            trustDomain: info.trustDomain,
            trustBundle: options.trustBundle ?? join(dataDir, 'trust-bundle.pem'),
            roots: authority?.roots ?? [],
          },
          nowMs(),
        ),
  ]);
  return [
    ...controlPlaneFindings(facts, formatHostPort(admin)),
    ...versionFindings(facts, version),
    ...configurationFindings(facts),
    ...plain.door,
    ...tlsFindings,
    ...(authority === null ? [] : authorityFindings(authority, theirsMs)),
    ...(authority === null ? [] : dataDirFindings(dataDir)),
    ...plain.proxies,
    ...serviceFindings(facts),
    ...identityFindings(facts, theirsMs),
    ...policyFindings(facts),
    ...collectors,
  ];
}

/** The plain door, and what only it tells: what became of each proxy's configuration. `elsewhere`: the control plane is on another machine, and this door on that one's loopback. */
async function plainDoor(
  address: HostPort,
  elsewhere: boolean,
): Promise<{ readonly door: readonly Finding[]; readonly proxies: readonly Finding[] }> {
  const findings = new Findings('doors');
  const at = formatHostPort(address);
  if (elsewhere) {
    findings.skipped(
      'the plain door is on loopback of another machine: what proxies have refused was not looked at',
      'run check there, or name a way to it with --control-plane',
    );
    return { door: findings.all, proxies: [] };
  }
  try {
    let response = await fetchClientStatus(at);
    const stale = staleResources(response);
    if (stale.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, staleAfterMs));
      response = await fetchClientStatus(at);
    }
    findings.ok(`plain door ${at} answers`);
    return { door: findings.all, proxies: configurationTaken(response, staleInBoth(stale, staleResources(response))) };
  } catch (error) {
    return {
      door: [unreachable('doors', error, 'where it listens is said by --listen of the control plane')],
      proxies: [],
    };
  }
}

/** Where the control plane listens, seen from here: on all addresses is where its admin port is. */
function reachedAs(listen: string, admin: HostPort): HostPort {
  const { host, port } = parseHostPort('listen', listen);
  return { host: host === '0.0.0.0' || host === '::' ? admin.host : host, port };
}

/** The message of a UserError says what is wrong and, behind a semicolon, what to do. */
function unreachable(group: string, error: unknown, next: string): Finding {
  if (!(error instanceof UserError)) throw error;
  const [text = '', ...advice] = error.message.split('; ');
  return { group, level: 'problem', text, next: [...advice, next].join('; ') };
}
