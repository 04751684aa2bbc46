/** Rules of the model as one table of nftables, for both families; and what nft lists of it, read. Pure. */
import { type AddressRange, type Family, formatAddressRange } from './address-range.ts';
import { type Marker, markerComments, parseMarker } from './marker.ts';
import { formatPortRange, type PortRange } from './port-range.ts';
import type { Action, Chain, Condition, Hook, Rule } from './rule-set.ts';
import { brokenSeals, sealComment, unsealed } from './rules-seal.ts';

export const nftTable = 'inet outrigger';

/** A step before the usual places of such rules: in front of those of others. */
const hooks: Readonly<Record<Hook, string>> = {
  'nat-prerouting': 'type nat hook prerouting priority -101; policy accept;',
  'nat-output': 'type nat hook output priority -101; policy accept;',
  'mangle-prerouting': 'type filter hook prerouting priority -151; policy accept;',
  'mangle-output': 'type route hook output priority -151; policy accept;',
};

/** For `nft -f -`: one transaction that takes the place of whatever table of ours there is. */
export function nftablesText(chains: readonly Chain[], marker: Marker): string {
  return nftablesReplacement(tableText(chains, marker));
}

/** `table`: as it is listed; '': there is to be none. */
export function nftablesReplacement(table: string): string {
  // It is made first, as what is not there cannot be deleted.
  return `add table ${nftTable}\ndelete table ${nftTable}\n${table}`;
}

function tableText(chains: readonly Chain[], marker: Marker): string {
  const lines = [`table ${nftTable} {`, '  chain about {'];
  lines.push(...markerComments(marker).map((comment) => `    return comment "${comment}"`), '  }');
  for (const { name, entry, rules } of chains) {
    lines.push(`  chain ${chainName(name)} {`);
    if (entry !== null) {
      lines.push(`    ${hooks[entry.hook]}`);
      if (!marker.config.ipv6) lines.push('    meta nfproto ipv6 return');
    }
    lines.push(...rules.flatMap(ruleTexts).map((text) => `    ${text}`), '  }');
  }
  return `${[...lines, '}'].join('\n')}\n`;
}

/** `inbound` of nat and of mangle are never there together. */
function chainName(name: string): string {
  return name.replaceAll('-', '_');
}

function ruleTexts(rule: Rule): readonly string[] {
  const conditions = [...(rule.family === null ? [] : [`meta nfproto ${rule.family.toLowerCase()}`])];
  const protocol = rule.conditions.find((condition) => condition.kind === 'protocol')?.protocol ?? '';
  const hasPort = rule.conditions.some(({ kind }) => kind === 'port');
  for (const condition of rule.conditions)
    if (condition.kind !== 'protocol' || !hasPort) conditions.push(conditionText(condition, protocol, rule.family));
  const why = ` comment "${rule.why}"`;
  const text = [...conditions, actionText(rule.action)].join(' ') + why;
  // Without a listener tproxy lets the packet go on: to the application, past the proxy.
  return rule.action.kind === 'tproxy' ? [text, 'drop comment "nobody listens there"'] : [text];
}

function conditionText(condition: Condition, protocol: string, family: Family | null): string {
  const not = 'not' in condition && condition.not === true ? '!= ' : '';
  switch (condition.kind) {
    case 'from':
    case 'to':
      return `${family === 'IPv6' ? 'ip6' : 'ip'} ${condition.kind === 'from' ? 'saddr' : 'daddr'} ${setText(condition.ranges.map(rangeText))}`;
    case 'in':
      return `iifname ${not}"${condition.interfaceName}"`;
    case 'out':
      return `oifname ${not}"${condition.interfaceName}"`;
    case 'protocol':
      return `meta l4proto ${condition.protocol}`;
    case 'port':
      return `${protocol} dport ${setText(condition.ports.map((range: PortRange) => formatPortRange(range)))}`;
    case 'from-local':
      return `fib saddr type ${not}local`;
    case 'to-local':
      return `fib daddr type ${not}local`;
    case 'uid':
      return `meta skuid ${condition.value}`;
    case 'gid':
      return `meta skgid ${condition.value}`;
    case 'mark':
      return `meta mark ${condition.value}`;
    case 'connection-mark':
      return `ct mark ${condition.value}`;
    case 'new-connection':
      return `ct state ${not}new`;
    case 'direction':
      return `ct direction ${condition.direction}`;
  }
}

function actionText(action: Action): string {
  switch (action.kind) {
    case 'pass':
      return 'return';
    case 'goto':
      return `goto ${chainName(action.chain)}`;
    case 'redirect':
      return `redirect to :${action.port}`;
    case 'tproxy':
      return `tproxy to :${action.port} accept`;
    case 'set-mark':
      return `meta mark set ${action.value}`;
    case 'set-connection-mark':
      return `ct mark set ${action.value}`;
  }
}

const rangeText = (range: AddressRange): string => formatAddressRange(range);

function setText(members: readonly string[]): string {
  return members.length === 1 ? members[0]! : `{ ${members.join(', ')} }`;
}

/** As it is listed, or as {@link nftablesText} has it. */
export interface ListedTable {
  readonly text: string;
  readonly marker: Marker | null;
  /** By chain, as they are written there. */
  readonly rules: ReadonlyMap<string, readonly string[]>;
  /** Of the chain that says what the installation is. */
  readonly comments: readonly string[];
}

/** Null: there is no table of ours. */
export function parseNftablesTable(listed: string): ListedTable | null {
  const start = listed.indexOf(`\ntable ${nftTable} {`);
  const text = start === -1 ? listed : listed.slice(start + 1);
  if (!text.startsWith(`table ${nftTable} {`)) return null;
  const rules = new Map<string, string[]>();
  const comments: string[] = [];
  let chain: string | null = null;
  for (const line of text.split('\n').map((each) => each.trim())) {
    const name = /^chain (\S+) \{$/.exec(line)?.[1];
    if (name !== undefined) rules.set((chain = name), []);
    else if (line === '}') chain = null;
    else if (chain !== null && line !== '' && !/^type \S+ hook /.test(line)) {
      rules.get(chain)!.push(line);
      const comment = chain === 'about' ? /comment "([^"]*)"/.exec(line)?.[1] : undefined;
      if (comment !== undefined) comments.push(comment);
    }
  }
  return { text, marker: parseMarker(comments), rules, comments };
}

/** Where they are not the same, in words; how long an installation speaks of itself does not count. */
export function nftDifferences(found: ListedTable, wanted: ListedTable): readonly string[] {
  return [
    ...[...wanted.rules].flatMap(([chain, rules]) => {
      if (chain === 'about') return [];
      const there = found.rules.get(chain);
      if (there === undefined) return [`in table ${nftTable}, the chain ${chain} is missing`];
      return there.length === rules.length
        ? []
        : [`in table ${nftTable}, ${chain} has ${there.length} rules, not ${rules.length}`];
    }),
    ...[...found.rules.keys()]
      .filter((chain) => !wanted.rules.has(chain))
      .map((chain) => `in table ${nftTable}, the chain ${chain} is one too many`),
    ...brokenSeals(found.comments, found.rules).map(
      (chain) => `in table ${nftTable}, the rules of ${chain} are not those that were installed`,
    ),
  ];
}

/** For `nft -f -`: says of each chain that has no seal how it is listed now; ''. */
export function nftSeals({ rules, comments }: ListedTable): string {
  return unsealed(comments, rules)
    .filter(([chain]) => chain !== 'about')
    .map(([chain, own]) => `add rule ${nftTable} about return comment "${sealComment(chain, own)}"\n`)
    .join('');
}
