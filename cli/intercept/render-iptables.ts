/** Rules of the model as those of iptables, one family at a time. Pure. */
import { type AddressRange, type Family, formatAddressRange } from './address-range.ts';
import type { PortRange } from './port-range.ts';
import type { Action, Chain, Condition, Rule } from './rule-set.ts';

/** Of one table, what is ours. */
export interface TableContent {
  /** Rules by chain, without `-A CHAIN`. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Rules in chains of others that lead to ours: `OUTPUT -p tcp -j OUTRIGGER_OUTBOUND`. */
  readonly hooks: readonly string[];
}

export const tableNames = ['nat', 'mangle'] as const;
export type TableName = (typeof tableNames)[number];
export type Tables = Readonly<Record<TableName, TableContent>>;

export const chainPrefix = 'OUTRIGGER_';
/** Holds what the installation says of itself. */
export const aboutChain = `${chainPrefix}ABOUT`;

export const noTables: Tables = { nat: { chains: new Map(), hooks: [] }, mangle: { chains: new Map(), hooks: [] } };

/** The multiport match takes so many; a range counts twice. */
const portsInRule = 15;

export function iptablesTables(chains: readonly Chain[], family: Family, comments: readonly string[]): Tables {
  const tableOf = (table: TableName): TableContent => {
    const own = chains.filter((chain) => chain.table === table);
    const rules = own.map(
      ({ name, rules: ofChain }) => [chainName(name), ofChain.flatMap((rule) => ruleTexts(rule, family))] as const,
    );
    const about = [aboutChain, comments.map((comment) => `-m comment --comment "${comment}" -j RETURN`)] as const;
    return {
      chains: new Map(table === 'nat' ? [about, ...rules] : rules),
      hooks: own.flatMap(({ name, entry }) =>
        (entry?.when ?? []).map(
          (conditions) =>
            `${entry!.hook.endsWith('prerouting') ? 'PREROUTING' : 'OUTPUT'} ${conditionTexts(conditions)[0]} -j ${chainName(name)}`,
        ),
      ),
    };
  };
  return { nat: tableOf('nat'), mangle: tableOf('mangle') };
}

export function chainName(name: string): string {
  return `${chainPrefix}${name.toUpperCase().replaceAll('-', '_')}`;
}

function ruleTexts(rule: Rule, family: Family): readonly string[] {
  if (rule.family !== null && rule.family !== family) return [];
  return conditionTexts(rule.conditions).map((text) => `${text} ${actionText(rule.action, family)}`.trimStart());
}

/** One rule for each address range and each handful of ports. */
function conditionTexts(conditions: readonly Condition[]): readonly string[] {
  let texts = [''];
  const add = (more: readonly string[]): void => {
    texts = texts.flatMap((text) => more.map((part) => `${text} ${part}`.trimStart()));
  };
  let protocol = '';
  for (const condition of conditions.toSorted((a, b) => place(a) - place(b))) {
    if (condition.kind === 'protocol') protocol = condition.protocol;
    add(condition.kind === 'port' ? portTexts(protocol, condition.ports) : conditionText(condition));
  }
  return texts;
}

/** As iptables-save puts them. */
const places = ['from', 'to', 'in', 'out', 'protocol', 'port'] as const;
function place({ kind }: Condition): number {
  const at = (places as readonly string[]).indexOf(kind);
  return at === -1 ? places.length : at;
}

function conditionText(condition: Exclude<Condition, { kind: 'port' }>): readonly string[] {
  const not = 'not' in condition && condition.not === true ? '! ' : '';
  switch (condition.kind) {
    case 'from':
      return condition.ranges.map((range) => `-s ${rangeText(range)}`);
    case 'to':
      return condition.ranges.map((range) => `-d ${rangeText(range)}`);
    case 'in':
      return [`${not}-i ${condition.interfaceName.replace(/\*$/, '+')}`];
    case 'out':
      return [`${not}-o ${condition.interfaceName.replace(/\*$/, '+')}`];
    case 'protocol':
      return [`-p ${condition.protocol}`];
    case 'from-local':
      return [`-m addrtype ${not}--src-type LOCAL`];
    case 'to-local':
      return [`-m addrtype ${not}--dst-type LOCAL`];
    case 'uid':
      return [`-m owner --uid-owner ${condition.value}`];
    case 'gid':
      return [`-m owner --gid-owner ${condition.value}`];
    case 'mark':
      return [`-m mark --mark ${hexadecimal(condition.value)}`];
    case 'connection-mark':
      return [`-m connmark --mark ${hexadecimal(condition.value)}`];
    case 'new-connection':
      return [`-m conntrack ${not}--ctstate NEW`];
    case 'direction':
      return [`-m conntrack --ctdir ${condition.direction.toUpperCase()}`];
  }
}

function portTexts(protocol: string, ports: readonly PortRange[]): readonly string[] {
  const portText = ({ from, to }: PortRange): string => (from === to ? String(from) : `${from}:${to}`);
  if (ports.length === 1) return [`-m ${protocol} --dport ${portText(ports[0]!)}`];
  const groups: PortRange[][] = [];
  let room = 0;
  for (const range of ports) {
    const size = range.from === range.to ? 1 : 2;
    if (size > room) {
      groups.push([]);
      room = portsInRule;
    }
    groups.at(-1)!.push(range);
    room -= size;
  }
  return groups.map((group) => `-m multiport --dports ${group.map(portText).join(',')}`);
}

function actionText(action: Action, family: Family): string {
  switch (action.kind) {
    case 'pass':
      return '-j RETURN';
    case 'goto':
      return `-g ${chainName(action.chain)}`;
    case 'redirect':
      return `-j REDIRECT --to-ports ${action.port}`;
    case 'tproxy':
      return `-j TPROXY --on-port ${action.port} --on-ip ${family === 'IPv4' ? '0.0.0.0' : '::'} --tproxy-mark 0x0/0x0`;
    case 'set-mark':
      return `-j MARK --set-xmark ${hexadecimal(action.value)}/0xffffffff`;
    case 'set-connection-mark':
      return `-j CONNMARK --set-xmark ${hexadecimal(action.value)}/0xffffffff`;
  }
}

function rangeText(range: AddressRange): string {
  return formatAddressRange(range);
}

function hexadecimal(value: number): string {
  return `0x${value.toString(16)}`;
}
