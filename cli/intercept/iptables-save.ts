/** What iptables-save prints, read, and the text for iptables-restore that makes another state of it. Pure. */
import { type Marker, parseMarker } from './marker.ts';
import {
  aboutChain,
  chainPrefix,
  type TableContent,
  type TableName,
  type Tables,
  tableNames,
} from './render-iptables.ts';
import { brokenSeals, sealComment, unsealed } from './rules-seal.ts';

export interface SavedTables {
  /** What is ours. */
  readonly ours: Tables;
  /** Chains of others, by table, those that the kernel begins with left out. */
  readonly foreignChains: Readonly<Record<TableName, readonly string[]>>;
  /** Chains that the kernel begins with, in which others have rules or that do not accept. */
  readonly usedBuiltins: Readonly<Record<TableName, readonly string[]>>;
  /** Those in which a rule of others stands in front of one that leads to ours. */
  readonly outrun: Readonly<Record<TableName, readonly string[]>>;
}

/** Takes the text of both tables, one behind the other; other tables are passed over. */
export function parseIptablesSave(text: string): SavedTables {
  const chains: Record<TableName, Map<string, string[]>> = { nat: new Map(), mangle: new Map() };
  const hooks: Record<TableName, string[]> = { nat: [], mangle: [] };
  const foreign: Record<TableName, string[]> = { nat: [], mangle: [] };
  const used: Record<TableName, Set<string>> = { nat: new Set(), mangle: new Set() };
  const others: Record<TableName, Set<string>> = { nat: new Set(), mangle: new Set() };
  const outrun: Record<TableName, Set<string>> = { nat: new Set(), mangle: new Set() };
  let table: TableName | null = null;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = tableNames.find((name) => line === `*${name}`) ?? null;
    if (table === null) continue;
    const chain = /^:(\S+) (\S+)/.exec(line);
    if (chain !== null) {
      const [, name = '', policy] = chain;
      if (name.startsWith(chainPrefix)) chains[table].set(name, []);
      else if (policy === '-') foreign[table].push(name);
      else if (policy !== 'ACCEPT') used[table].add(name);
    }
    const rule = /^(?:\[\d+:\d+\] )?-A (\S+) (.*)$/.exec(line);
    if (rule === null) continue;
    const [, name = '', words = ''] = rule;
    if (name.startsWith(chainPrefix)) chains[table].get(name)?.push(words);
    else if (new RegExp(`-[jg] ${chainPrefix}`).test(words)) {
      hooks[table].push(`${name} ${words}`);
      if (others[table].has(name)) outrun[table].add(name);
    } else {
      used[table].add(name);
      others[table].add(name);
    }
  }
  return {
    ours: {
      nat: { chains: chains.nat, hooks: hooks.nat },
      mangle: { chains: chains.mangle, hooks: hooks.mangle },
    },
    foreignChains: foreign,
    usedBuiltins: { nat: [...used.nat], mangle: [...used.mangle] },
    outrun: { nat: [...outrun.nat], mangle: [...outrun.mangle] },
  };
}

export function isEmpty(tables: Tables): boolean {
  return tableNames.every((name) => tables[name].chains.size === 0 && tables[name].hooks.length === 0);
}

/** What the rules say of themselves; null: nothing, or nothing whole. */
export function markerOf(tables: Tables): Marker | null {
  return parseMarker(aboutComments(tables));
}

function aboutComments(tables: Tables): readonly string[] {
  return (tables.nat.chains.get(aboutChain) ?? []).map((rule) => /--comment "([^"]*)"/.exec(rule)?.[1] ?? '');
}

/** In words, what others did to rules of ours or put in front of them since they were installed. */
export function changesByOthers({ ours, outrun }: SavedTables): readonly string[] {
  return [
    ...tableNames.flatMap((name) =>
      brokenSeals(aboutComments(ours), ours[name].chains).map(
        (chain) => `in ${name}, the rules of ${chain} are not those that were installed`,
      ),
    ),
    ...tableNames.flatMap((name) =>
      outrun[name].map((chain) => `in ${name}, a rule of others stands in front of ours in ${chain}`),
    ),
  ];
}

/** For `iptables-restore --noflush`: says of each chain that has no seal how it is listed now; ''. */
export function iptablesSeals(tables: Tables): string {
  const lines = tableNames.flatMap((name) =>
    unsealed(aboutComments(tables), tables[name].chains)
      .filter(([chain]) => chain !== aboutChain)
      .map(([chain, rules]) => `-A ${aboutChain} -m comment --comment "${sealComment(chain, rules)}" -j RETURN`),
  );
  return lines.length === 0 ? '' : `${['*nat', ...lines, 'COMMIT'].join('\n')}\n`;
}

/** Where they are not the same, in words; nothing: they are. Rules are counted here, as each version of iptables has its own way to write one; what became of them since is in changesByOthers(). */
export function differences(found: Tables, wanted: Tables): readonly string[] {
  return tableNames.flatMap((name) => {
    const [one, other] = [found[name], wanted[name]];
    const missing = other.hooks.filter((hook) => !one.hooks.includes(hook));
    const extra = one.hooks.filter((hook, at) => !other.hooks.includes(hook) || one.hooks.indexOf(hook) !== at);
    return [
      ...missing.map((hook) => `in ${name}, the rule is missing: ${hook}`),
      ...extra.map((hook) => `in ${name}, a rule is one too many: ${hook}`),
      ...[...other.chains].flatMap(([chain, rules]) => {
        const there = one.chains.get(chain);
        if (there === undefined) return [`in ${name}, the chain ${chain} is missing`];
        return there.length === rules.length
          ? []
          : [`in ${name}, ${chain} has ${there.length} rules, not ${rules.length}`];
      }),
      ...[...one.chains.keys()]
        .filter((chain) => !other.chains.has(chain))
        .map((chain) => `in ${name}, ${chain} is one too many`),
    ];
  });
}

/** For `iptables-restore --noflush`: each table changes at once. '' when nothing differs. `order`: of the tables; `outrun`: where the rules that lead to ours are put in front again. */
export function restoreText(
  found: Tables,
  wanted: Tables,
  order: readonly TableName[] = tableNames,
  outrun: SavedTables['outrun'] = { nat: [], mangle: [] },
): string {
  return order
    .filter((name) => outrun[name].length > 0 || changes(found[name], wanted[name]))
    .map((name) => tableText(name, found[name], wanted[name], outrun[name].length > 0))
    .join('');
}

function changes(found: TableContent, wanted: TableContent): boolean {
  const lines = ({ chains, hooks }: TableContent): string => JSON.stringify([[...chains], hooks]);
  return lines(found) !== lines(wanted);
}

function tableText(name: TableName, found: TableContent, wanted: TableContent, outrun: boolean): string {
  const gone = [...found.chains.keys()].filter((chain) => !wanted.chains.has(chain));
  // All of them anew when one differs: their order counts too.
  const hooksDiffer = outrun || JSON.stringify(found.hooks) !== JSON.stringify(wanted.hooks);
  const lines = [
    `*${name}`,
    // Made, or emptied when it is there.
    ...[...wanted.chains.keys()].map((chain) => `:${chain} - [0:0]`),
    ...(hooksDiffer ? found.hooks.map((hook) => `-D ${hook}`) : []),
    ...gone.map((chain) => `-F ${chain}`),
    ...[...wanted.chains].flatMap(([chain, rules]) => rules.map((rule) => `-A ${chain} ${rule}`)),
    // In front of the rules of others.
    ...(hooksDiffer ? wanted.hooks.toReversed().map((hook) => `-I ${hook.replace(' ', ' 1 ')}`) : []),
    ...gone.map((chain) => `-X ${chain}`),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}
