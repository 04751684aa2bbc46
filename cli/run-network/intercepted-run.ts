/** `outrigger run --intercept` put together: a network of its own, the way to the control plane and to names, who runs as whom. What is made here is taken away by close(), whole, also when something in between failed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defaultDataDir } from '../data-dir.ts';
import { environmentName } from '../environment.ts';
import { type HostPort, isLoopback, parseHostPort, parseServiceName } from '../host-port.ts';
import { hasTool, runTool } from '../intercept/kernel-tool.ts';
import { readNetworkFacts } from '../intercept/network-facts.ts';
import { interceptedAddresses } from '../listen-ports.ts';
import type { IdentityOptions } from '../run-identity.ts';
import { proofFlags } from '../sidecar-flags.ts';
import { checkDataDir, shownDataDirVariable } from '../sidecar-identity.ts';
import { UserError } from '../user-error.ts';
import { ControlPlaneRelay } from './control-plane-relay.ts';
import { insideWords, sidecarWords, userWords, writeNameFiles } from './inside.ts';
import { LoopbackRelay } from './loopback-relay.ts';
import { startNameRelay } from './name-relay.ts';
import { OwnNetwork } from './own-network.ts';
import { PrivateFiles } from './private-files.ts';
import { type RunSlot, RunSlots } from './run-slots.ts';
import { runUser, userEnvironment } from './run-user.ts';

export interface InterceptedRunOptions extends IdentityOptions {
  readonly service: string;
  readonly controlPlane: string;
  readonly user?: string;
  /** False: names of the mesh are not answered. */
  readonly dns: boolean;
  readonly egress?: string;
  readonly opaquePorts?: string;
  readonly excludeOutboundPorts?: string;
  readonly excludeOutboundRanges?: string;
}

export interface InterceptedRun {
  /** Of the sidecar: where it listens, how it reaches the control plane. */
  readonly sidecarFlags: readonly string[];
  /** In front of the sidecar's own words. */
  readonly sidecarWords: readonly string[];
  /** The same options, with files that the sidecar's user may read. */
  readonly identity: IdentityOptions;
  /** The same for proofs of the environment. */
  readonly identityEnvironment: Readonly<Record<string, string | undefined>>;
  readonly commandWords: readonly string[];
  readonly commandEnvironment: Readonly<Record<string, string>>;
  /** Why the control plane cannot be reached; '': it can, as far as is known. */
  controlPlaneFault(): string;
  close(): Promise<void>;
}

const dnsPort = parseHostPort('', interceptedAddresses.dns).port;
const defaultTlsPort = 15_012;

/** Throws a UserError. */
export async function startInterceptedRun(
  options: InterceptedRunOptions,
  proofs: Readonly<Record<string, string | undefined>>,
  environment: NodeJS.ProcessEnv,
  tell: (line: string) => void,
): Promise<InterceptedRun> {
  refuseWithoutRight();
  const user = runUser(options.user, environment);
  const { namespace, name } = parseServiceName('--service', options.service);
  const plain = parseHostPort('--control-plane', options.controlPlane);
  const tls: HostPort =
    options.controlPlaneTls === undefined
      ? { host: plain.host, port: defaultTlsPort }
      : parseHostPort('--control-plane-tls', options.controlPlaneTls);
  if (options.identity && !hasProof(proofs, environment)) checkDataDir(options.dataDir);
  const slots = new RunSlots(tell);
  const slot = await slots.take();
  const closing: Array<() => unknown> = [() => slots.giveBack(slot)];
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).toReversed()) await each();
  };
  try {
    refuseUnreadable(slot);
    const network = await OwnNetwork.make({ slot, interceptFlags: interceptFlags(options, slot), tell });
    closing.push(() => network.close());
    const dataDir = options.dataDir ?? dataDirOf(environment, user.home);
    const proven = options.identity && (hasProof(proofs, environment) || isAuthorityHere(tls, dataDir));
    const relay = await ControlPlaneRelay.start(slot, { plain: proven ? null : plain, tls });
    closing.push(() => relay.close());
    // Without an identity the sidecar could register whatever it wants to reach.
    if (proven && isLoopback(plain.host)) {
      const loopback = await LoopbackRelay.start(slot, plain, options.service);
      closing.push(() => loopback.close());
    }
    const names = await startNameRelay(slot.hostAddress, tell);
    closing.push(() => names.close());
    const files = new PrivateFiles(slot);
    closing.push(() => files.close());
    const inside = insideWords(network, writeNameFiles(slot));
    const copied = (path: string | undefined): string | undefined =>
      path === undefined ? undefined : files.file(path);
    const proofEnvironment: Record<string, string | undefined> = { ...proofs, [shownDataDirVariable]: dataDir };
    for (const name of ['join-token-file', 'kubernetes-token-file'].map(environmentName)) {
      const path = name in proofs ? proofs[name] : environment[name];
      if (path !== undefined && path !== '') proofEnvironment[name] = files.file(path);
    }
    const { trustBundle } = options;
    return {
      sidecarFlags: [
        '--interception=redirect',
        ...[`--outbound-listen=${interceptedAddresses.outbound}`, `--inbound-listen=${interceptedAddresses.inbound}`],
        ...[
          `--admin=${interceptedAddresses.admin}`,
          `--listen-metrics=${interceptedAddresses.metrics}`,
          `--address=${slot.ownAddress}`,
        ],
        `--control-plane-sockets=${slot.folder}`,
        ...(options.dns ? [`--dns-listen=${interceptedAddresses.dns}`] : []),
        ...(options.egress === undefined ? [] : [`--egress=${options.egress}`]),
        ...(options.opaquePorts === undefined ? [] : [`--opaque-ports=${options.opaquePorts}`]),
      ],
      sidecarWords: [...inside, ...sidecarWords(slot)],
      identity: {
        ...options,
        ...(trustBundle === undefined ? {} : { trustBundle: copied(trustBundle)! }),
        dataDir: files.dataFolder(
          dataDir,
          `spiffe://${options.trustDomain ?? 'cluster.local'}/ns/${namespace}/sa/${options.serviceAccount ?? name}`,
        ),
      },
      identityEnvironment: proofEnvironment,
      commandWords: [...inside, ...userWords(user)],
      commandEnvironment: userEnvironment(user),
      controlPlaneFault: () => relay.fault,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const proofVariables = proofFlags.map(environmentName);

function hasProof(proofs: Readonly<Record<string, string | undefined>>, environment: NodeJS.ProcessEnv): boolean {
  return proofVariables.some((name) => ((name in proofs ? proofs[name] : environment[name]) ?? '') !== '');
}

/** A sidecar waits for this one's proof rather than go on without. */
function isAuthorityHere({ host }: HostPort, dataDir: string): boolean {
  return isLoopback(host) && existsSync(join(dataDir, 'trust-bundle.pem'));
}

/** Of the user who called sudo, where root has none. */
function dataDirOf(environment: NodeJS.ProcessEnv, home: string): string {
  const own = defaultDataDir(environment);
  if (existsSync(own) || environment['SUDO_UID'] === undefined) return own;
  const theirs = join(home, '.local/state/outrigger');
  return existsSync(theirs) ? theirs : own;
}

function interceptFlags(options: InterceptedRunOptions, { sidecarId }: RunSlot): string[] {
  const { dns, excludeOutboundPorts: ports, excludeOutboundRanges: ranges } = options;
  return [
    ...[`--proxy-uid=${sidecarId}`, `--proxy-gid=${sidecarId}`],
    ...(dns ? [`--dns-port=${dnsPort}`] : []),
    ...(ports === undefined ? [] : [`--exclude-outbound-ports=${ports}`]),
    ...(ranges === undefined ? [] : [`--exclude-outbound-ranges=${ranges}`]),
  ];
}

function refuseWithoutRight(): void {
  if (process.platform !== 'linux')
    throw new UserError(
      '--intercept takes Linux; without it the command reaches services by HTTP_PROXY and --upstream',
    );
  if (process.getuid?.() !== 0 || !readNetworkFacts().mayChange)
    throw new UserError(
      '--intercept needs root with CAP_NET_ADMIN and CAP_SYS_ADMIN: it makes a network of its own for the command, which then runs as you (or as --user); run it as sudo -E outrigger run --intercept …, or without --intercept: then services are reached by HTTP_PROXY and --upstream',
    );
  for (const [program, from] of [
    ['ip', 'iproute2'],
    ['nft', 'nftables'],
    ['nsenter', 'util-linux'],
    ['unshare', 'util-linux'],
    ['setpriv', 'util-linux'],
    ['mount', 'mount'],
  ] as const)
    if (!hasTool(program))
      throw new UserError(`--intercept needs ${program}, which is not here; install the package ${from}`);
}

/** The sidecar has a user of its own, to whom root's home is closed. */
function refuseUnreadable(slot: RunSlot): void {
  const program = join(import.meta.dirname, 'sidecar.js');
  const words = [
    ...sidecarWords(slot),
    '/bin/sh',
    '-c',
    'test -x "$1" && test -r "$2"',
    'sh',
    process.execPath,
    program,
  ];
  const { code, stderr } = runTool(words);
  if (code === 0) return;
  if (stderr.startsWith('setpriv'))
    throw new UserError(`--intercept: the sidecar cannot run as user ${slot.sidecarId}: ${stderr.trim()}`);
  throw new UserError(
    `--intercept: the sidecar runs as user ${slot.sidecarId}, who may not read ${program} (or run ${process.execPath}); put Outrigger where everybody may read it, as /opt`,
  );
}
