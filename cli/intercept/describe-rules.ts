/** An installation, in words and as data. Pure. */

import { formatAddressRange } from './address-range.ts';
import { damage } from './change-plan.ts';
import { formatInterceptConfig, type InterceptConfig, type Selection } from './intercept-config.ts';
import { foreignInterception, type InterceptState, installations } from './intercept-state.ts';
import { formatPortRange } from './port-range.ts';

/** What `show -o json` has. */
export interface ShownInstallation {
  /** `nftables`, `iptables`, `iptables-legacy` or `iptables-nft`. */
  readonly backend: string;
  /** Whether all rules are there that belong to the settings. */
  readonly whole: boolean;
  readonly faults: readonly string[];
  /** By flag, defaults too; null: the rules do not say of what they are. */
  readonly settings: Readonly<Record<string, string>> | null;
}

export function shownInstallations(state: InterceptState): readonly ShownInstallation[] {
  const all = installations(state);
  const twice = all.length > 1 ? [`rules by ${all.map(({ by }) => by).join(' and by ')} are there at once`] : [];
  return all.map(({ by, marker }) => {
    const faults =
      marker === null
        ? ['the rules do not say of what they are: half installed, or by another version']
        : damage(state, { by, config: marker.config });
    const settings = marker === null ? null : formatInterceptConfig(marker.config, true);
    return { backend: by, whole: faults.length + twice.length === 0, faults: [...twice, ...faults], settings };
  });
}

/** Left behind without rules, in words; ours by its sign. */
export function leftovers(state: InterceptState): readonly string[] {
  if (installations(state).length > 0) return [];
  const { rules, routes, handOnAddress } = state.routing;
  return [
    ...rules.map(({ words }) => `the routing rule ${words}`),
    ...routes.map(({ words }) => `the route ${words}`),
    ...(handOnAddress === 'ours' ? ['the address ::6 of the loopback interface'] : []),
  ];
}

export function installationText(state: InterceptState): string {
  const all = installations(state);
  const lines: string[] = [];
  for (const [at, { by, marker }] of all.entries()) {
    const shown = shownInstallations(state)[at]!;
    lines.push(
      `Interception is installed, by ${by}${shown.whole ? '; all rules are there' : ', and something is wrong'}`,
      '',
      ...(marker === null ? [] : configLines(marker.config)),
      ...shown.faults.map((fault) => `  problem    ${fault}`),
      ...(shown.whole
        ? []
        : ['  next       outrigger intercept install mends it, outrigger intercept remove takes all away']),
    );
  }
  for (const left of leftovers(state))
    lines.push(`No rules, but left behind: ${left}; outrigger intercept remove takes it away`);
  if (lines.length === 0) lines.push('Nothing is intercepted: no rules of Outrigger in this network namespace');
  for (const foreign of foreignInterception(state)) lines.push(`Rules of another mesh are here: ${foreign}`);
  return `${lines.join('\n')}\n`;
}

function configLines(config: InterceptConfig): readonly string[] {
  const { outboundPort, inboundPort, dnsPort, healthPort, outbound, inbound } = config;
  const families = config.ipv6 ? 'IPv4 and IPv6' : 'IPv4 only';
  const way = config.mode === 'tproxy' ? "TPROXY, with the caller's address" : 'REDIRECT';
  const own = [
    ...config.proxyUids.map((uid) => `user ${uid}`),
    ...config.proxyGids.map((gid) => `group ${gid}`),
    ...config.proxyMarks.map((mark) => `mark ${mark}`),
  ];
  const others = [
    ...config.excludeUids.map((uid) => `user ${uid}`),
    ...config.excludeGids.map((gid) => `group ${gid}`),
    ...config.excludeInterfaces.map((name) => `interface ${name}`),
  ];
  return [
    `  outbound   to port ${outboundPort} by REDIRECT, ${families}: ${selectionText(outbound, 'to')}`,
    `  inbound    to port ${inboundPort} by ${way}: ${selectionText(inbound, 'from')}`,
    `  DNS        ${dnsPort === null ? 'left alone' : `questions to port 53, UDP and TCP, to port ${dnsPort}`}`,
    `  the proxy  ${own.join(', ')}: its own traffic passes`,
    ...(healthPort === null ? [] : [`  passes     inbound to port ${healthPort} (health, metrics)`]),
    ...(others.length === 0 ? [] : [`  passes     ${others.join(', ')}`]),
    ...(config.mode === 'tproxy'
      ? [`  answers    with mark ${config.tproxyMark} find back by routing table ${config.tproxyTable}`]
      : []),
  ];
}

function selectionText(selection: Selection, end: 'from' | 'to'): string {
  const { includePorts, excludePorts, includeRanges, excludeRanges } = selection;
  if (includePorts?.length === 0 || includeRanges?.length === 0) return 'nothing';
  const ports = includePorts === null ? 'all TCP' : `ports ${includePorts.map(formatPortRange).join(', ')}`;
  const ranges = includeRanges === null ? '' : ` ${end} ${includeRanges.map(formatAddressRange).join(', ')}`;
  const but = [
    ...(excludePorts.length === 0 ? [] : [`ports ${excludePorts.map(formatPortRange).join(', ')}`]),
    ...(excludeRanges.length === 0 ? [] : [`${end} ${excludeRanges.map(formatAddressRange).join(', ')}`]),
  ];
  return `${ports}${ranges}${but.length === 0 ? '' : `, but not ${but.join(' and ')}`}`;
}
