/** Carries out a change of the rules, whole or not at all. */
import { UserError } from '../user-error.ts';
import { rollBackSteps, sealSteps, type Wanted } from './change-plan.ts';
import { foreignInterception, type InterceptState, installations, readInterceptState } from './intercept-state.ts';
import { runStep, runTool, type Step } from './kernel-tool.ts';
import type { NetworkFacts } from './network-facts.ts';
import { nftablesText } from './render-nftables.ts';
import { buildRuleSet } from './rule-set.ts';

/** Runs them, and seals what was installed by them (`wanted` null: nothing was); when one fails, goes back to `before` and throws a UserError that says so. */
export function carryOut(
  steps: readonly Step[],
  before: InterceptState,
  ipv6: boolean,
  wanted: Wanted | null = null,
): void {
  try {
    for (const step of steps) runStep(step);
    if (wanted !== null && steps.length > 0)
      for (const step of sealSteps(readInterceptState(ipv6), wanted)) runStep(step);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const left = rollBack(before, ipv6);
    const state =
      installations(before).length === 0 ? 'nothing of it is left behind' : 'what was there before is in force again';
    throw new UserError(
      `${error.message}. ${left === '' ? `It was undone: ${state}` : `To undo it failed too (${left}); outrigger intercept remove takes away what is left`}`,
    );
  }
}

/** '' or what could not be undone. */
function rollBack(before: InterceptState, ipv6: boolean): string {
  const faults: string[] = [];
  for (const step of rollBackSteps(readInterceptState(ipv6), before)) {
    try {
      runStep(step);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      faults.push(error.message);
    }
  }
  return faults.join('; ');
}

/** Throws a UserError when something stands in the way of `wanted`. */
export function refuseObstacles(state: InterceptState, { by, config }: Wanted): void {
  const [foreign] = foreignInterception(state);
  if (foreign !== undefined)
    throw new UserError(
      `the rules of another mesh are here: ${foreign}; traffic can go through one sidecar only, so remove them first, or leave this host or pod out`,
    );
  const unreadable = state.iptables.find(
    ({ variant, family, unreadable }) => variant.name === by && unreadable !== '' && (family === 'IPv4' || config.ipv6),
  );
  if (unreadable !== undefined)
    throw new UserError(
      `the rules of ${unreadable.family} cannot be read: ${unreadable.unreadable}${unreadable.family === 'IPv6' ? '; or leave IPv6 alone with --ipv6 off' : ''}`,
    );
}

/** `nftables`, or the variant of iptables. Throws a UserError when that cannot be used. */
export function chooseBackend(wanted: string, state: InterceptState, config: Wanted['config']): string {
  if (wanted === 'iptables') {
    const there = installations(state).find(({ by }) => by !== 'nftables');
    const plain = there?.by ?? state.iptables[0]?.variant.name;
    if (plain === undefined)
      throw new UserError('iptables is not here; install the package iptables, or use --backend nftables');
    return plain;
  }
  if (wanted === 'nftables') {
    if (state.nftFault !== '') throw new UserError(`nftables cannot be used: ${state.nftFault}`);
    return 'nftables';
  }
  const there = installations(state)[0];
  if (there !== undefined) return there.by;
  if (state.nftFault === '' && takesRules(config)) return 'nftables';
  const plain = state.iptables[0]?.variant.name;
  if (plain !== undefined) return plain;
  throw new UserError(
    `neither nftables nor iptables can be used: ${state.nftFault === '' ? 'the kernel does not take the rules by nft' : state.nftFault}, and iptables is not here; install one of the packages nftables, iptables`,
  );
}

/** Asked of the kernel, and nothing changed. */
function takesRules(config: Wanted['config']): boolean {
  const text = nftablesText(buildRuleSet(config), { config, made: [] });
  return runTool(['nft', '-c', '-f', '-'], text).code === 0;
}

/** For people; nothing: all is well as far as one sees. */
export function installWarnings(facts: NetworkFacts, { config }: Wanted): readonly string[] {
  const warnings: string[] = [];
  if (!config.ipv6 && facts.hasGlobalIpv6)
    warnings.push('this host has addresses of IPv6, whose connections pass by the sidecar (--ipv6 off)');
  for (const port of [config.outboundPort, config.inboundPort]) {
    const strangers = (facts.listeners.get(port) ?? []).filter((uid) => !config.proxyUids.includes(uid));
    if (strangers.length > 0)
      warnings.push(
        `port ${port} is listened on by user ${strangers.join(', ')}, who is not --proxy-uid ${config.proxyUids.join(',') || 'none'}: if that is the sidecar, it must be known by --proxy-gid or --proxy-mark, or its own connections come back to it`,
      );
  }
  return warnings;
}
