/**
 * The rules that carry out a configuration, as a model that is neither iptables nor nftables: chains of rules, each a list of conditions and what is done then. Pure.
 *
 * What comes of it, in words, is in docs/intercept.md.
 */
import type { AddressRange, Family } from './address-range.ts';
import type { InterceptConfig, Selection } from './intercept-config.ts';
import type { PortRange } from './port-range.ts';

export type Condition =
  | { readonly kind: 'protocol'; readonly protocol: 'tcp' | 'udp' }
  | { readonly kind: 'in' | 'out'; readonly interfaceName: string; readonly not?: boolean }
  | { readonly kind: 'from' | 'to'; readonly ranges: readonly AddressRange[] }
  | { readonly kind: 'from-local' | 'to-local'; readonly not?: boolean }
  | { readonly kind: 'port'; readonly ports: readonly PortRange[] }
  | { readonly kind: 'uid' | 'gid' | 'mark' | 'connection-mark'; readonly value: number }
  | { readonly kind: 'new-connection'; readonly not?: boolean }
  | { readonly kind: 'direction'; readonly direction: 'original' | 'reply' };

export type Action =
  /** The packet goes on as if there were no rules. */
  | { readonly kind: 'pass' }
  | { readonly kind: 'goto'; readonly chain: string }
  | { readonly kind: 'redirect' | 'tproxy'; readonly port: number }
  | { readonly kind: 'set-mark' | 'set-connection-mark'; readonly value: number };

export interface Rule {
  /** For whom reads the rules. */
  readonly why: string;
  /** Null: both. A rule with addresses is of their family. */
  readonly family: Family | null;
  readonly conditions: readonly Condition[];
  readonly action: Action;
}

export type Hook = 'nat-prerouting' | 'nat-output' | 'mangle-prerouting' | 'mangle-output';

export interface Chain {
  /** In lower case with dashes. */
  readonly name: string;
  readonly table: 'nat' | 'mangle';
  /** Where packets enter, and which; null: from another chain only. */
  readonly entry: { readonly hook: Hook; readonly when: ReadonlyArray<readonly Condition[]> } | null;
  readonly rules: readonly Rule[];
}

/** Where the sidecar connects from when it hands an inbound connection on to the place it was for. */
export const passthroughSource = { IPv4: '127.0.0.6', IPv6: '::6' } as const;

const tcp: Condition = { kind: 'protocol', protocol: 'tcp' };
const udp: Condition = { kind: 'protocol', protocol: 'udp' };
const nameServers: Condition = { kind: 'port', ports: [{ from: 53, to: 53 }] };
const loopback: readonly AddressRange[] = [
  { family: 'IPv4', address: '127.0.0.0', bits: 8 },
  { family: 'IPv6', address: '::1', bits: 128 },
];
/** IPv4's is in the loopback range, from where the application can be called as well: it needs a rule of its own. */
const handedOn: readonly AddressRange[] = [
  { family: 'IPv4', address: passthroughSource.IPv4, bits: 32 },
  { family: 'IPv6', address: passthroughSource.IPv6, bits: 128 },
];
const pass: Action = { kind: 'pass' };

/** In the order in which they must be made: a chain is there before another leads to it. */
export function buildRuleSet(config: InterceptConfig): readonly Chain[] {
  const chains =
    config.mode === 'tproxy'
      ? [proxyChain(config), outboundChain(config), takenChain(config), transparentChain(config), answersChain(config)]
      : [proxyChain(config), outboundChain(config), inboundChain(config)];
  return chains.map((chain) => ({
    ...chain,
    rules: chain.rules.filter(({ family }) => config.ipv6 || family !== 'IPv6'),
  }));
}

/** What the proxy itself sends. All of it passes, but what it sends to the host's own address for the application: that is an inbound connection like any other. */
function proxyChain(config: InterceptConfig): Chain {
  const { inbound, healthPort } = config;
  const own = inbound.excludePorts.concat(healthPort === null ? [] : [{ from: healthPort, to: healthPort }]);
  return {
    name: 'proxy',
    table: 'nat',
    entry: null,
    rules: [
      rule('to others: out it goes', [{ kind: 'out', interfaceName: 'lo', not: true }], pass),
      ...byFamily('to the application', 'to', loopback, [], pass),
      ...byFamily('an inbound connection, handed on', 'from', handedOn, [], pass),
      ...(config.mode === 'tproxy'
        ? [rule("an inbound connection, under the caller's address", [{ kind: 'from-local', not: true }], pass)]
        : []),
      ...portRules('to a port that is left alone', own, [tcp], pass),
      ...included('the application calls itself', inbound.includePorts, null, 'from', [tcp], {
        kind: 'redirect',
        port: config.inboundPort,
      }),
    ],
  };
}

function outboundChain(config: InterceptConfig): Chain {
  const { outbound, dnsPort } = config;
  const proxy: Action = { kind: 'goto', chain: 'proxy' };
  const ids = (kind: 'uid' | 'gid' | 'mark', values: readonly number[], action: Action, why: string): Rule[] =>
    values.map((value) => rule(why, [{ kind, value }], action));
  const questions: Action = { kind: 'redirect', port: dnsPort ?? 0 };
  return {
    name: 'outbound',
    table: 'nat',
    entry: { hook: 'nat-output', when: [[tcp], ...(dnsPort === null ? [] : [[udp, nameServers]])] },
    rules: [
      ...ids('uid', config.proxyUids, proxy, "the proxy's user"),
      ...ids('gid', config.proxyGids, proxy, "the proxy's group"),
      ...ids('mark', config.proxyMarks, proxy, "the proxy's mark"),
      ...ids('uid', config.excludeUids, pass, 'a user that is left alone'),
      ...ids('gid', config.excludeGids, pass, 'a group that is left alone'),
      ...interfaces('out', config.excludeInterfaces),
      ...byFamily('to addresses that are left alone', 'to', outbound.excludeRanges, [], pass),
      ...(dnsPort === null
        ? []
        : [
            rule('questions to name servers', [udp, nameServers], questions),
            rule('the same by TCP', [tcp, nameServers], questions),
          ]),
      rule('to itself, by an address of the host', [{ kind: 'out', interfaceName: 'lo' }], pass),
      ...portRules('to ports that are left alone', outbound.excludePorts, [tcp], pass),
      ...included('what is intercepted', outbound.includePorts, outbound.includeRanges, 'to', [tcp], {
        kind: 'redirect',
        port: config.outboundPort,
      }),
    ],
  };
}

function inboundChain(config: InterceptConfig): Chain {
  return {
    name: 'inbound',
    table: 'nat',
    entry: { hook: 'nat-prerouting', when: [[tcp]] },
    rules: [
      ...forgedInbound,
      ...passInbound(config),
      ...inboundTaken(config, { kind: 'redirect', port: config.inboundPort }),
    ],
  };
}

/** Every packet of a connection that TPROXY took goes this way: the first ones are to find the listener, and SYN cookies leave nothing behind by which others would. */
function takenChain(config: InterceptConfig): Chain {
  return {
    name: 'taken',
    table: 'mangle',
    entry: null,
    rules: [
      rule('remember', [tcp], { kind: 'set-connection-mark', value: config.tproxyMark + 1 }),
      rule('to the proxy', [tcp], { kind: 'tproxy', port: config.inboundPort }),
    ],
  };
}

function transparentChain(config: InterceptConfig): Chain {
  return {
    name: 'inbound',
    table: 'mangle',
    entry: { hook: 'mangle-prerouting', when: [[tcp]] },
    rules: [
      rule('from the host itself', [{ kind: 'in', interfaceName: 'lo' }], pass),
      ...forgedInbound,
      rule(
        'of a connection that was taken',
        [
          { kind: 'connection-mark', value: config.tproxyMark + 1 },
          { kind: 'direction', direction: 'original' },
        ],
        { kind: 'goto', chain: 'taken' },
      ),
      rule('of a connection that was not', [{ kind: 'new-connection', not: true }], pass),
      ...passInbound(config),
      ...inboundTaken(config, { kind: 'goto', chain: 'taken' }),
    ],
  };
}

/** The application answers a caller's address, whom the proxy stands for: the answer has to find back to the proxy, on this host. */
function answersChain({ tproxyMark: value }: InterceptConfig): Chain {
  return {
    name: 'answers',
    table: 'mangle',
    entry: { hook: 'mangle-output', when: [[tcp]] },
    rules: [
      rule(
        "the application's answer to a caller's address",
        [
          { kind: 'connection-mark', value },
          { kind: 'direction', direction: 'reply' },
        ],
        { kind: 'set-mark', value },
      ),
      rule(
        "the proxy's connection to the application, under the caller's address",
        [
          { kind: 'out', interfaceName: 'lo' },
          { kind: 'from-local', not: true },
          { kind: 'direction', direction: 'original' },
        ],
        { kind: 'set-connection-mark', value },
      ),
    ],
  };
}

function passInbound(config: InterceptConfig): readonly Rule[] {
  const { inbound, healthPort } = config;
  const ports = inbound.excludePorts.concat(healthPort === null ? [] : [{ from: healthPort, to: healthPort }]);
  return [
    ...interfaces('in', config.excludeInterfaces),
    rule('only on its way through', [{ kind: 'to-local', not: true }], pass),
    ...portRules('to ports that are left alone', ports, [tcp], pass),
    ...byFamily('from addresses that are left alone', 'from', inbound.excludeRanges, [], pass),
  ];
}

function inboundTaken({ inbound }: InterceptConfig, action: Action): readonly Rule[] {
  return included('what is intercepted', inbound.includePorts, inbound.includeRanges, 'from', [tcp], action);
}

function included(
  why: string,
  ports: Selection['includePorts'],
  ranges: Selection['includeRanges'],
  end: 'from' | 'to',
  conditions: readonly Condition[],
  action: Action,
): readonly Rule[] {
  if (ports?.length === 0) return [];
  const all = ports === null ? conditions : [...conditions, { kind: 'port', ports } as const];
  return ranges === null ? [rule(why, all, action)] : byFamily(why, end, ranges, all, action);
}

/**
 * Loopback is local, but nobody outside is on it. The kernel drops such packets (martians) when it looks for their way, which is after PREROUTING: one whose destination REDIRECT had changed by then would get through, and
 * the sidecar would hand it on to what listens on loopback only.
 */
const forgedInbound: readonly Rule[] = byFamily(
  'forged: nobody outside is on loopback',
  'to',
  loopback,
  [{ kind: 'in', interfaceName: 'lo', not: true }],
  pass,
);

function byFamily(
  why: string,
  kind: 'from' | 'to',
  ranges: readonly AddressRange[],
  conditions: readonly Condition[],
  action: Action,
): readonly Rule[] {
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const own = ranges.filter((range) => range.family === family);
    return own.length === 0 ? [] : [{ why, family, conditions: [{ kind, ranges: own }, ...conditions], action }];
  });
}

function portRules(
  why: string,
  ports: readonly PortRange[],
  conditions: readonly Condition[],
  action: Action,
): readonly Rule[] {
  return ports.length === 0 ? [] : [rule(why, [...conditions, { kind: 'port', ports }], action)];
}

function interfaces(kind: 'in' | 'out', names: readonly string[]): readonly Rule[] {
  return names.map((interfaceName) => rule('an interface that is left alone', [{ kind, interfaceName }], pass));
}

function rule(why: string, conditions: readonly Condition[], action: Action): Rule {
  return { why, family: null, conditions, action };
}
