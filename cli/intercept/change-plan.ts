/** The steps from what is there to what is wanted: to install, to replace, to remove and to go back when a step has failed. Pure. */
import type { Family } from './address-range.ts';
import type { InterceptConfig } from './intercept-config.ts';
import { type InterceptState, installations } from './intercept-state.ts';
import { changesByOthers, differences, iptablesSeals, isEmpty, markerOf, restoreText } from './iptables-save.ts';
import { iptablesProgram, type ReadTables } from './iptables-variant.ts';
import type { Step } from './kernel-tool.ts';
import type { Marker } from './marker.ts';
import { markerComments } from './marker.ts';
import { iptablesTables, noTables, type TableName, type Tables, tableNames } from './render-iptables.ts';
import {
  nftablesReplacement,
  nftablesText,
  nftDifferences,
  nftSeals,
  nftTable,
  parseNftablesTable,
} from './render-nftables.ts';
import { noRouting, routingAdditions, routingRemovals, wantedRouting } from './routing.ts';
import { buildRuleSet } from './rule-set.ts';

export interface Wanted {
  readonly config: InterceptConfig;
  /** `nftables`, or the name of a variant of iptables. */
  readonly by: string;
}

/** `wanted` null: nothing is to be left. No steps: all is as wanted. */
export function changeSteps(state: InterceptState, wanted: Wanted | null): readonly Step[] {
  const before = installations(state);
  const made = before.flatMap(({ marker }) => marker?.made ?? []);
  const routing = wanted === null ? noRouting : wantedRouting(wanted.config);
  const marker = wanted === null ? null : markerFor(state, wanted, made);
  const nftables =
    wanted?.by === 'nftables'
      ? nftInstallation(state, marker!)
      : state.nftables === null
        ? []
        : [nftStep('remove the rules by nftables', `delete table ${nftTable}\n`)];
  const iptables = state.iptables.map((tables) => {
    const own =
      wanted !== null && wanted.by === tables.variant.name && (tables.family === 'IPv4' || wanted.config.ipv6);
    return own ? iptablesInstallation(tables, marker!) : iptablesRemoval(state, tables);
  });
  const isInstalling = (tables: ReadTables): boolean => wanted?.by === tables.variant.name;
  return [
    ...routingAdditions(state.routing, routing),
    ...(wanted?.by === 'nftables' ? nftables : []),
    ...state.iptables.flatMap((tables, at) => (isInstalling(tables) ? iptables[at]! : [])),
    // Only now what another backend had: there is no moment without rules.
    ...(wanted?.by === 'nftables' ? [] : nftables),
    ...state.iptables.flatMap((tables, at) => (isInstalling(tables) ? [] : iptables[at]!)),
    ...routingRemovals(state.routing, routing),
  ];
}

/** Where an installation is not what it says to be, in words. */
export function damage(state: InterceptState, wanted: Wanted): readonly string[] {
  const chains = buildRuleSet(wanted.config);
  const marker = { config: wanted.config, made: [] };
  const found =
    wanted.by === 'nftables'
      ? state.nftables === null
        ? [`the table ${nftTable} is missing`]
        : nftDifferences(state.nftables, parsedTable(marker))
      : state.iptables
          .filter(({ variant, family }) => variant.name === wanted.by && (family === 'IPv4' || wanted.config.ipv6))
          .flatMap((tables) =>
            [
              ...differences(withoutAbout(tables.ours), withoutAbout(iptablesTables(chains, tables.family, []))),
              ...changesByOthers(tables),
            ].map((text) => `${tables.family}: ${text}`),
          );
  const routing = wantedRouting(wanted.config);
  return [
    ...found,
    ...routingAdditions(state.routing, routing).map(({ words }) => `missing: ${words.slice(1).join(' ')}`),
  ];
}

/** What seals rules that were just installed: says of them how they are listed (rules-seal.ts). `now`: read after the change. */
export function sealSteps(now: InterceptState, { config, by }: Wanted): readonly Step[] {
  if (by === 'nftables')
    return [now.nftables === null ? '' : nftSeals(now.nftables)]
      .filter((text) => text !== '')
      .map((text) => nftStep('seal the rules, by nftables', text));
  return now.iptables
    .filter(({ variant, family }) => variant.name === by && (family === 'IPv4' || config.ipv6))
    .flatMap((tables) => restoreStep('seal the rules', tables, iptablesSeals(tables.ours)));
}

/** Back to what was there: `now` is what a failure has left. */
export function rollBackSteps(now: InterceptState, before: InterceptState): readonly Step[] {
  const nftables: Step[] = [];
  if (now.nftables !== null && before.nftables === null)
    nftables.push(nftStep('undo: the rules by nftables', `delete table ${nftTable}\n`));
  else if (before.nftables !== null && now.nftables?.text !== before.nftables.text)
    nftables.push(nftStep('undo: the rules by nftables as they were', nftablesReplacement(before.nftables.text)));
  const iptables = now.iptables.flatMap((tables) => {
    const was = before.iptables.find(
      ({ variant, family }) => variant.name === tables.variant.name && family === tables.family,
    );
    return [
      ...restoreStep('undo', tables, restoreText(tables.ours, was?.ours ?? noTables, tableNames.toReversed())),
      ...emptiedTables(tables, newChains(now, before, tables.family)),
    ];
  });
  return [
    ...routingAdditions(now.routing, before.routing),
    ...nftables,
    ...iptables,
    ...routingRemovals(now.routing, before.routing),
  ];
}

function newChains(now: InterceptState, before: InterceptState, family: Family): readonly string[] {
  return tableNames.flatMap((name) => {
    const table = `${nftFamily(family)} ${name}`;
    const [there, was] = [now.nftChains?.get(table), before.nftChains?.get(table)];
    if (there === undefined) return [];
    return [
      ...(was === undefined ? [table] : []),
      ...there.filter((chain) => !was?.includes(chain)).map((chain) => `${table} ${chain}`),
    ];
  });
}

/** What will have been made that was not there, and what was made before and is still there. */
function markerFor(state: InterceptState, { config, by }: Wanted, before: readonly string[]): Marker {
  const made = new Set(before);
  for (const tables of state.iptables) {
    if (tables.variant.name !== by || !tables.variant.overNftables || state.nftChains === null) continue;
    if (tables.family === 'IPv6' && !config.ipv6) continue;
    const content = iptablesTables(buildRuleSet(config), tables.family, []);
    for (const name of tableNames) {
      const table = `${nftFamily(tables.family)} ${name}`;
      const there = state.nftChains.get(table);
      if (content[name].chains.size > 0 && there === undefined) made.add(table);
      for (const hook of content[name].hooks) {
        const [chain = ''] = hook.split(' ');
        if (!there?.includes(chain)) made.add(`${table} ${chain}`);
      }
    }
  }
  return { config, made: [...made] };
}

function nftInstallation({ nftables: found }: InterceptState, marker: Marker): readonly Step[] {
  const text = nftablesText(buildRuleSet(marker.config), marker);
  const wanted = parsedTable(marker);
  if (found !== null && sameConfig(found.marker, marker) && nftDifferences(found, wanted).length === 0) return [];
  return [
    nftStep(found === null ? 'the rules, by nftables' : 'other rules in the place of those that are there', text),
  ];
}

/** With the marker as what it is counted by, an older one may be longer. */
function parsedTable(marker: Marker): NonNullable<ReturnType<typeof parseNftablesTable>> {
  const text = nftablesText(buildRuleSet(marker.config), marker);
  return parseNftablesTable(text.slice(text.indexOf(`\ntable ${nftTable}`) + 1))!;
}

function iptablesInstallation(tables: ReadTables, marker: Marker): readonly Step[] {
  const wanted = iptablesTables(buildRuleSet(marker.config), tables.family, markerComments(marker));
  const same =
    sameConfig(markerOf(tables.ours), marker) &&
    differences(withoutAbout(tables.ours), withoutAbout(wanted)).length === 0 &&
    changesByOthers(tables).length === 0;
  if (same) return [];
  return restoreStep(
    isEmpty(tables.ours) ? 'the rules' : 'other rules in the place of those that are there',
    tables,
    restoreText(tables.ours, wanted, tableNames, tables.outrun),
  );
}

/** What was made is not what was asked for. */
function sameConfig(found: Marker | null, wanted: Marker): boolean {
  return found !== null && JSON.stringify(found.config) === JSON.stringify(wanted.config);
}

function withoutAbout(tables: Tables): Tables {
  const chains = new Map([...tables.nat.chains].filter(([name]) => !name.endsWith('_ABOUT')));
  return { ...tables, nat: { chains, hooks: tables.nat.hooks } };
}

function iptablesRemoval(state: InterceptState, tables: ReadTables): readonly Step[] {
  if (isEmpty(tables.ours)) return [];
  // The table that knows what was made goes last.
  const text = restoreText(tables.ours, noTables, tableNames.toReversed());
  const made = installations(state).find(({ by }) => by === tables.variant.name)?.marker?.made ?? [];
  return [
    ...restoreStep('remove the rules', tables, text),
    ...(state.nftChains === null ? [] : emptiedTables(tables, made)),
  ];
}

/** Tables and chains that iptables has made for our rules: it leaves them. */
function emptiedTables(
  { variant, family, foreignChains, usedBuiltins }: ReadTables,
  made: readonly string[],
): readonly Step[] {
  if (!variant.overNftables) return [];
  const lines = tableNames.flatMap((name: TableName) => {
    const table = `${nftFamily(family)} ${name}`;
    const isUnused = foreignChains[name].length + usedBuiltins[name].length === 0;
    if (isUnused && made.includes(table)) return [`delete table ${table}`];
    return made
      .filter((item) => item.startsWith(`${table} `) && !usedBuiltins[name].includes(item.slice(table.length + 1)))
      .map((item) => `delete chain ${item}`);
  });
  return lines.length === 0
    ? []
    : [nftStep(`what iptables has made for the rules of ${family} and leaves behind`, `${lines.join('\n')}\n`)];
}

function restoreStep(what: string, { variant, family }: ReadTables, input: string): readonly Step[] {
  const words = [iptablesProgram(variant, family, 'restore'), '--noflush', '--wait', '10'];
  return input === '' ? [] : [{ what: `${what}, by ${variant.name}, ${family}`, words, input }];
}

function nftStep(what: string, input: string): Step {
  return { what, words: ['nft', '-f', '-'], input };
}

const nftFamily = (family: Family): string => (family === 'IPv4' ? 'ip' : 'ip6');
