/** `outrigger intercept install|remove|show`: the rules that lead a host's or a pod's traffic through its sidecar. What the rules are is in cli/intercept. */

import { changeSteps, type Wanted } from '../intercept/change-plan.ts';
import { carryOut, chooseBackend, installWarnings, refuseObstacles } from '../intercept/change-rules.ts';
import { installationText, leftovers, shownInstallations } from '../intercept/describe-rules.ts';
import { type InterceptFlags, parseInterceptConfig } from '../intercept/intercept-config.ts';
import { withInterceptLock } from '../intercept/intercept-lock.ts';
import { type InterceptState, installations, readInterceptState } from '../intercept/intercept-state.ts';
import { stepScript } from '../intercept/kernel-tool.ts';
import { type NetworkFacts, readNetworkFacts } from '../intercept/network-facts.ts';
import { enterNamespace } from '../intercept/network-namespace.ts';
import { holdsPort } from '../intercept/port-range.ts';
import { outboundTarget } from '../intercept/probe-target.ts';
import { type Check, verifyInterception, verifyWithoutRights } from '../intercept/verify.ts';
import { dataText, type OutputFormat } from '../print-data.ts';
import { UserError } from '../user-error.ts';

export interface InterceptOptions {
  readonly netns?: string;
}

export interface InstallOptions extends InterceptOptions {
  readonly backend: string;
  readonly ipv6: string;
  /** Comma separated. */
  readonly appUid?: string;
  readonly allowHostNetwork?: boolean;
  readonly dryRun?: boolean;
  readonly verify?: boolean;
}

export interface RemoveOptions extends InterceptOptions {
  readonly dryRun?: boolean;
}

export interface VerifyOptions extends InterceptOptions {
  readonly ipv6: string;
}

export interface ShowOptions extends InterceptOptions {
  readonly output: OutputFormat;
  readonly verify?: boolean;
}

/** `flags`: the settings of {@link parseInterceptConfig}. Gives the exit code. */
export async function interceptInstall(options: InstallOptions, flags: InterceptFlags): Promise<number> {
  refuseWord('--backend', options.backend, ['auto', 'iptables', 'nftables']);
  refuseWord('--ipv6', options.ipv6, ['auto', 'on', 'off']);
  // What is wrong with the settings is wrong in any namespace.
  refuseAppAsProxy(options, parseInterceptConfig({ ...flags, ipv6: 'on' }));
  enterNamespace(options.netns);
  const facts = readNetworkFacts();
  refuseWithoutRight(facts);
  if (facts.isHostNetwork && !options.allowHostNetwork)
    throw new UserError(
      "this is the host's own network: all of the machine's connections would go through the sidecar, and a pod with hostNetwork shares them with every other; act inside of the pod's or program's namespace (--netns PATH), or say --allow-host-network when the whole machine is meant",
    );
  return withInterceptLock(async () => {
    const state = readInterceptState(facts.knowsIpv6);
    const wanted = wantedFrom(options, withSsh(facts, flags), facts, state);
    refuseObstacles(state, wanted);
    const steps = changeSteps(state, wanted);
    for (const warning of installWarnings(facts, wanted)) process.stderr.write(`outrigger: warning: ${warning}\n`);
    if (options.dryRun) {
      process.stdout.write(steps.length === 0 ? '# all is as wanted: nothing would be done\n' : stepScript(steps));
      return 0;
    }
    carryOut(steps, state, facts.knowsIpv6, wanted);
    const isThere = installations(state).length > 0;
    process.stderr.write(
      `outrigger: ${steps.length === 0 ? `interception was installed already, by ${wanted.by}: nothing was changed` : `interception is ${isThere ? 'replaced' : 'installed'}, by ${wanted.by}, ${wanted.config.ipv6 ? 'IPv4 and IPv6' : 'IPv4'}`}\n`,
    );
    return options.verify ? verified(facts, wanted) : 0;
  });
}

export async function interceptRemove(options: RemoveOptions): Promise<number> {
  enterNamespace(options.netns);
  const facts = readNetworkFacts();
  refuseWithoutRight(facts);
  return withInterceptLock(() => {
    const state = readInterceptState(facts.knowsIpv6);
    const steps = changeSteps(state, null);
    if (options.dryRun) {
      process.stdout.write(steps.length === 0 ? '# nothing is there: nothing would be done\n' : stepScript(steps));
      return 0;
    }
    carryOut(steps, state, facts.knowsIpv6);
    process.stderr.write(
      steps.length === 0
        ? 'outrigger: nothing was installed: nothing was changed\n'
        : 'outrigger: interception is removed; connections that were intercepted go on until they end\n',
    );
    return 0;
  });
}

/** Exit code 1 when what is there is not whole. */
export async function interceptShow(options: ShowOptions): Promise<number> {
  enterNamespace(options.netns);
  const facts = readNetworkFacts();
  refuseWithoutRight(facts);
  const state = readInterceptState(facts.knowsIpv6);
  const shown = shownInstallations(state);
  process.stdout.write(options.output === 'table' ? installationText(state) : dataText(shown, [], options.output));
  const [installed] = installations(state);
  const isWhole = shown.every(({ whole }) => whole) && leftovers(state).length === 0;
  if (!options.verify) return isWhole ? 0 : 1;
  if (installed === undefined || installed.marker === null)
    throw new UserError('there are no rules to verify; outrigger intercept install makes them');
  const { config } = installed.marker;
  const code = await withInterceptLock(() => verified(facts, { by: installed.by, config }));
  return isWhole ? code : 1;
}

/** Needs no right. Exit code 1 when a rule does not hold, or when nothing could be tried that the settings intercept. */
export async function interceptVerify(options: VerifyOptions, flags: InterceptFlags): Promise<number> {
  refuseWord('--ipv6', options.ipv6, ['auto', 'on', 'off']);
  const config = parseInterceptConfig({ ...flags, ipv6: options.ipv6 === 'off' ? 'off' : 'on' });
  enterNamespace(options.netns);
  const withIpv6 = options.ipv6 === 'on' || (options.ipv6 === 'auto' && readNetworkFacts().hasGlobalIpv6);
  const families = withIpv6 ? (['IPv4', 'IPv6'] as const) : (['IPv4'] as const);
  const checks = await verifyWithoutRights(config, families);
  tellChecks(checks);
  if (checks.some(({ level }) => level === 'failed'))
    throw new UserError(
      "the rules do not lead this user's traffic to the sidecar as these settings say; in a pod, look whether the CNI plugin has run for it (its log on the node, and `outrigger intercept show` there as root with --netns), or let the pod make its own rules (outrigger.dev/interception: redirect)",
    );
  if (checks.some(({ level }) => level === 'ok') || families.every((family) => outboundTarget(config, family) === null))
    return 0;
  throw new UserError('nothing could be tried, so nothing is known of the rules; the lines above say why');
}

async function verified(facts: NetworkFacts, wanted: Wanted): Promise<number> {
  const checks = await verifyInterception(wanted.config, facts);
  tellChecks(checks);
  return checks.some(({ level }) => level === 'failed') ? 1 : 0;
}

function tellChecks(checks: readonly Check[]): void {
  for (const { level, text } of checks) process.stderr.write(`outrigger: verify: ${level.padEnd(7)} ${text}\n`);
}

function wantedFrom(
  options: InstallOptions,
  flags: InterceptFlags,
  facts: NetworkFacts,
  state: InterceptState,
): Wanted {
  if (options.ipv6 === 'on' && !facts.hasIpv6)
    throw new UserError('--ipv6 on: no interface here has an address of IPv6; use --ipv6 auto or off');
  const config = parseInterceptConfig({ ...flags, ipv6: options.ipv6 !== 'off' && facts.hasIpv6 ? 'on' : 'off' });
  const by = chooseBackend(options.backend, state, config);
  const lacksIpv6 = state.iptables.some(
    ({ variant, family, unreadable }) => variant.name === by && family === 'IPv6' && unreadable !== '',
  );
  // Nobody can call or be called by IPv6 here, so nothing passes by.
  if (lacksIpv6 && options.ipv6 === 'auto' && !facts.hasGlobalIpv6)
    return { by, config: parseInterceptConfig({ ...flags, ipv6: 'off' }) };
  return { by, config };
}

/** A machine that is reached by SSH stays so, also while its sidecar does not run. */
function withSsh(facts: NetworkFacts, flags: InterceptFlags): InterceptFlags {
  if (!facts.isHostNetwork) return flags;
  const { inbound } = parseInterceptConfig({ ...flags, ipv6: 'on' });
  if (holdsPort(inbound.includePorts ?? [], 22) || holdsPort(inbound.excludePorts, 22)) return flags;
  const before = flags['exclude-inbound-ports'] ?? 'none';
  return { ...flags, 'exclude-inbound-ports': before === 'none' ? '22' : `${before},22` };
}

function refuseAppAsProxy({ appUid }: InstallOptions, { proxyUids }: ReturnType<typeof parseInterceptConfig>): void {
  const both = (appUid ?? '').split(',').find((uid) => uid !== '' && proxyUids.includes(Number(uid)));
  if (both !== undefined)
    throw new UserError(
      `the application runs as user ${both}, and so does the sidecar (--proxy-uid): none of its traffic would be intercepted; run one of the two as another user`,
      2,
    );
}

function refuseWithoutRight({ mayChange }: NetworkFacts): void {
  if (!mayChange)
    throw new UserError(
      'no permission: rules are seen and changed by root or who has NET_ADMIN only; run it with sudo, or give the container the capabilities NET_ADMIN and NET_RAW',
    );
}

function refuseWord(flag: string, word: string, words: readonly string[]): void {
  if (!words.includes(word))
    throw new UserError(`${flag}: ${JSON.stringify(word)} is not known; name one of ${words.join(', ')}`, 2);
}
