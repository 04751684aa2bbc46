/** What interception needs beside rules: for TPROXY the way of the answers back to this host, for IPv6 the address from which the sidecar hands on. By iproute2; read, and changed step by step. */
import type { Family } from './address-range.ts';
import type { InterceptConfig } from './intercept-config.ts';
import { hasTool, runTool, type Step } from './kernel-tool.ts';
import { passthroughSource } from './rule-set.ts';

/** By which our rules and routes are known (the `proto` of iproute2); nobody else is known to use it. */
const protocol = '156';

const loopback = { IPv4: '127.0.0.0/8', IPv6: '::1' } as const;

export interface RoutingState {
  /** Ours only. Words behind `ip -4 rule add` or `ip -6 rule add`. */
  readonly rules: readonly RoutingEntry[];
  /** Words behind `ip -4 route add`. */
  readonly routes: readonly RoutingEntry[];
  /** Whether the loopback interface has ::6. It is ours by its being deprecated, which nobody else has a reason for. */
  readonly handOnAddress: 'none' | 'ours' | 'of others';
}

export interface RoutingEntry {
  readonly family: Family;
  readonly words: string;
}

export const noRouting: RoutingState = { rules: [], routes: [], handOnAddress: 'none' };

export function wantedRouting(config: InterceptConfig): RoutingState {
  const families: readonly Family[] = config.mode === 'redirect' ? [] : config.ipv6 ? ['IPv4', 'IPv6'] : ['IPv4'];
  return {
    rules: families.flatMap((family) => {
      const { tproxyTable: table, tproxyMark } = config;
      const rest = `lookup ${table} protocol ${protocol}`;
      return [
        { family, words: `pref ${table} fwmark 0x${tproxyMark.toString(16)} ${rest}` },
        // An answer from loopback has no mark yet when its way is looked for, and no other way than this one.
        { family, words: `pref ${table} from ${loopback[family]} iif lo ${rest}` },
      ];
    }),
    routes: families.map((family) => ({
      family,
      words: `local default dev lo table ${config.tproxyTable} proto ${protocol}`,
    })),
    handOnAddress: config.ipv6 ? 'ours' : 'none',
  };
}

/** What there is; nothing where there is no iproute2, as then nobody has made anything by it. */
export function readRouting(ipv6: boolean): RoutingState {
  if (!hasTool('ip')) return noRouting;
  const families: readonly Family[] = ipv6 ? ['IPv4', 'IPv6'] : ['IPv4'];
  const rules: RoutingEntry[] = [];
  const routes: RoutingEntry[] = [];
  for (const family of families) {
    for (const found of listed(['rule', 'show'], family))
      if (String(found['protocol']) === protocol) rules.push({ family, words: ruleWords(found) });
    for (const found of listed(['route', 'show', 'table', 'all', 'type', 'local'], family))
      if (String(found['protocol']) === protocol)
        routes.push({
          family,
          words: `local ${found['dst']} dev ${found['dev']} table ${found['table']} proto ${protocol}`,
        });
  }
  const addresses = ipv6 ? listed(['addr', 'show', 'dev', 'lo'], 'IPv6') : [];
  const handOn = addresses
    .flatMap(({ addr_info }) => (addr_info ?? []) as readonly ListedAddress[])
    .find(({ local }) => local === passthroughSource.IPv6);
  const handOnAddress = handOn === undefined ? 'none' : handOn.deprecated === true ? 'ours' : 'of others';
  return { rules, routes, handOnAddress };
}

interface ListedAddress {
  readonly local?: string;
  readonly deprecated?: boolean;
}

/** What has to be there before the rules. */
export function routingAdditions(found: RoutingState, wanted: RoutingState): readonly Step[] {
  return [
    ...missing(wanted.routes, found.routes).map((entry) =>
      step('route', 'add', 'the way of answers back to this host', entry),
    ),
    ...missing(wanted.rules, found.rules).map((entry) => step('rule', 'add', 'answers take that way', entry)),
    ...(wanted.handOnAddress === 'ours' && found.handOnAddress === 'none' ? [handOnStep('add')] : []),
  ];
}

/** What goes when the rules are gone. */
export function routingRemovals(found: RoutingState, wanted: RoutingState): readonly Step[] {
  return [
    ...missing(found.rules, wanted.rules).map((entry) =>
      step('rule', 'del', 'answers take no way of their own', entry),
    ),
    ...missing(found.routes, wanted.routes).map((entry) => step('route', 'del', 'nor is there one', entry)),
    ...(found.handOnAddress === 'ours' && wanted.handOnAddress === 'none' ? [handOnStep('del')] : []),
  ];
}

/** Deprecated, so that nothing takes it as its source of its own accord. */
function handOnStep(action: 'add' | 'del'): Step {
  const lifetime = action === 'add' ? ['nodad', 'preferred_lft', '0'] : [];
  return {
    what:
      action === 'add' ? 'from here the sidecar hands inbound connections of IPv6 on' : 'nothing is handed on any more',
    words: ['ip', '-6', 'addr', action, `${passthroughSource.IPv6}/128`, 'dev', 'lo', ...lifetime],
  };
}

function missing(from: readonly RoutingEntry[], there: readonly RoutingEntry[]): readonly RoutingEntry[] {
  return from.filter(({ family, words }) => !there.some((entry) => entry.family === family && entry.words === words));
}

function step(kind: 'rule' | 'route', action: 'add' | 'del', what: string, { family, words }: RoutingEntry): Step {
  return { what, words: ['ip', family === 'IPv4' ? '-4' : '-6', kind, action, ...words.split(' ')] };
}

/** As {@link wantedRouting} writes them. */
function ruleWords(found: Readonly<Record<string, unknown>>): string {
  const { priority, src, srclen, fwmark, iif, table } = found;
  const from = src === 'all' ? [] : ['from', `${String(src)}${srclen === undefined ? '' : `/${String(srclen)}`}`];
  const mark = fwmark === undefined ? [] : ['fwmark', fwmark];
  const by = iif === undefined ? [] : ['iif', iif];
  return ['pref', priority, ...from, ...mark, ...by, 'lookup', table, 'protocol', protocol].join(' ');
}

function listed(words: readonly string[], family: Family): ReadonlyArray<Readonly<Record<string, unknown>>> {
  const { code, stdout } = runTool(['ip', '-N', family === 'IPv4' ? '-4' : '-6', '-json', ...words]);
  if (code !== 0) return [];
  const list = JSON.parse(stdout === '' ? '[]' : stdout) as unknown;
  return Array.isArray(list) ? (list as Record<string, unknown>[]) : [];
}
