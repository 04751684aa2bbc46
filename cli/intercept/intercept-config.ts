/** What is to be intercepted, and what is not: the settings of `outrigger intercept`, checked; the same from flags, environment variables and what an installation says of itself. */
import { UserError } from '../user-error.ts';
import { type AddressRange, formatAddressRange, holdsRange, mergeRanges, parseAddressRange } from './address-range.ts';
import { formatPortRange, mergePorts, type PortRange, parsePortRange, sharedPorts } from './port-range.ts';

/** Of one direction. What is left out of `include…` and what is in `exclude…` passes by. */
export interface Selection {
  /** Null: all. */
  readonly includePorts: readonly PortRange[] | null;
  readonly excludePorts: readonly PortRange[];
  /** Outbound: where to; inbound: where from. Null: all. */
  readonly includeRanges: readonly AddressRange[] | null;
  readonly excludeRanges: readonly AddressRange[];
}

export type InterceptMode = 'redirect' | 'tproxy';

export interface InterceptConfig {
  /** How inbound connections come to the proxy; outbound ones are always redirected. */
  readonly mode: InterceptMode;
  /** Without it the connections of IPv6 pass by. */
  readonly ipv6: boolean;
  readonly outboundPort: number;
  readonly inboundPort: number;
  /** Null: questions to name servers pass by. */
  readonly dnsPort: number | null;
  /** For scrapers and probes: never intercepted inbound. Null: none. */
  readonly healthPort: number | null;
  /** Whose packets are the proxy's own: any of these. */
  readonly proxyUids: readonly number[];
  readonly proxyGids: readonly number[];
  readonly proxyMarks: readonly number[];
  readonly outbound: Selection;
  readonly inbound: Selection;
  /** Network interfaces whose packets pass by, both ways; `*` at the end stands for anything. */
  readonly excludeInterfaces: readonly string[];
  /** Users and groups whose outbound packets pass by. */
  readonly excludeUids: readonly number[];
  readonly excludeGids: readonly number[];
  /** TPROXY: the mark of packets that answer a connection which the proxy has opened under the caller's address; the next number marks connections that TPROXY took. */
  readonly tproxyMark: number;
  /** TPROXY: the routing table that leads those packets back to this host; also the place of its rule. */
  readonly tproxyTable: number;
}

/** Values by flag, without dashes in front; absent: the default. */
export type InterceptFlags = Readonly<Record<string, string | undefined>>;

interface FlagText {
  readonly name: string;
  readonly value: string;
  readonly placeholder: string;
  readonly description: string;
}

/** In the order in which they are shown. `ipv6` is apart: `auto` of it needs a look at the machine. */
export const settingFlags: readonly FlagText[] = [
  flag('mode', 'redirect', 'MODE', "redirect, or tproxy: inbound connections keep the caller's address on their way"),
  flag('outbound-port', '15001', 'N', "the sidecar's port for what the application opens"),
  flag('inbound-port', '15006', 'N', "the sidecar's port for what others open to the application"),
  flag('dns-port', 'off', 'N', "the sidecar's resolver, as 15053, for the application's questions to port 53"),
  flag('health-port', '15020', 'N', "the sidecar's health and metrics, never intercepted; off for none"),
  flag('proxy-uid', '1337', 'UID,…', "the sidecar's user, whose traffic is left alone; none for none"),
  flag('proxy-gid', '1337', 'GID,…', 'its group; none for none'),
  flag('proxy-mark', '1337', 'MARK,…', 'mark (SO_MARK) of its packets; none for none'),
  flag('include-outbound-ports', 'all', 'PORTS', 'only connections to these, as 80,8000-8100; all or none'),
  flag('exclude-outbound-ports', 'none', 'PORTS', 'connections to these pass by'),
  flag('include-outbound-ranges', 'all', 'CIDR,…', 'only connections to these addresses; all or none'),
  flag('exclude-outbound-ranges', 'none', 'CIDR,…', 'connections to these addresses pass by, questions on port 53 too'),
  flag('include-inbound-ports', 'all', 'PORTS', 'only connections to these ports of the application; all or none'),
  flag('exclude-inbound-ports', 'none', 'PORTS', 'connections to these ports of the application pass by'),
  flag('include-inbound-ranges', 'all', 'CIDR,…', 'only connections from these addresses; all or none'),
  flag('exclude-inbound-ranges', 'none', 'CIDR,…', 'connections from these addresses pass by'),
  flag('exclude-interfaces', 'none', 'NAME,…', 'what goes out of or comes in by these passes by, as docker0,br-*'),
  flag('exclude-uids', 'none', 'UID,…', 'users whose connections and questions pass by'),
  flag('exclude-gids', 'none', 'GID,…', 'groups whose connections and questions pass by'),
  flag('tproxy-mark', '1338', 'MARK', 'tproxy: mark of the packets that find back to the sidecar by it (and the next)'),
  flag('tproxy-table', '15006', 'N', 'tproxy: number of the routing table that leads them back'),
];

function flag(name: string, value: string, placeholder: string, description: string): FlagText {
  return { name, value, placeholder, description };
}

/** Throws a UserError with all that is wrong, a line for each. `ipv6` in `flags` is `on` or `off` here. */
export function parseInterceptConfig(flags: InterceptFlags): InterceptConfig {
  const faults: string[] = [];
  const text = (name: string): string =>
    flags[name] ?? settingFlags.find((setting) => setting.name === name)?.value ?? '';
  const words = (name: string): readonly string[] => {
    const value = text(name);
    return value === 'none' ? [] : value.split(',').map((word) => word.trim());
  };
  const whole = (name: string, value: string, from: number, to: number): number => {
    const number = /^(?:\d{1,10}|0x[0-9a-f]{1,8})$/i.test(value) ? Number(value) : -1;
    if (number >= from && number <= to) return number;
    faults.push(`--${name}: ${JSON.stringify(value)} is not a whole number from ${from} to ${to}`);
    return from;
  };
  const port = (name: string): number => whole(name, text(name), 1, 65_535);
  const portOrOff = (name: string): number | null => (text(name) === 'off' ? null : port(name));
  const ids = (name: string, from: number): readonly number[] =>
    [...new Set(words(name).map((word) => whole(name, word, from, 0xffff_fffe)))].toSorted((a, b) => a - b);
  const each = <T>(name: string, parse: (word: string) => T | null, what: string): readonly T[] =>
    words(name).flatMap((word) => {
      const parsed = parse(word);
      if (parsed === null) faults.push(`--${name}: ${JSON.stringify(word)} is not ${what}`);
      return parsed === null ? [] : [parsed];
    });
  const ports = (name: string): readonly PortRange[] =>
    mergePorts(each(name, parsePortRange, 'a port or a range of ports; write it as 80 or 8000-8100'));
  const ranges = (name: string): readonly AddressRange[] =>
    mergeRanges(
      each(name, parseAddressRange, 'an address or a range of addresses; write it as 10.0.0.0/8, fd00::/8 or 10.1.2.3'),
    );
  const selection = (direction: string): Selection => ({
    includePorts: text(`include-${direction}-ports`) === 'all' ? null : ports(`include-${direction}-ports`),
    excludePorts: ports(`exclude-${direction}-ports`),
    includeRanges: text(`include-${direction}-ranges`) === 'all' ? null : ranges(`include-${direction}-ranges`),
    excludeRanges: ranges(`exclude-${direction}-ranges`),
  });
  const mode = text('mode');
  if (mode !== 'redirect' && mode !== 'tproxy')
    faults.push(`--mode: ${JSON.stringify(mode)} is not known; name one of redirect, tproxy`);
  const config: InterceptConfig = Object.freeze({
    mode: mode === 'tproxy' ? 'tproxy' : 'redirect',
    ipv6: flags['ipv6'] === 'on',
    outboundPort: port('outbound-port'),
    inboundPort: port('inbound-port'),
    dnsPort: portOrOff('dns-port'),
    healthPort: portOrOff('health-port'),
    proxyUids: ids('proxy-uid', 0),
    proxyGids: ids('proxy-gid', 0),
    proxyMarks: ids('proxy-mark', 1),
    outbound: selection('outbound'),
    inbound: selection('inbound'),
    excludeInterfaces: each(
      'exclude-interfaces',
      (word) => (/^[A-Za-z0-9_.@:-]{1,15}\*?$/.test(word) ? word : null),
      'the name of a network interface; write it as docker0 or br-*',
    ).toSorted(),
    excludeUids: ids('exclude-uids', 0),
    excludeGids: ids('exclude-gids', 0),
    tproxyMark: whole('tproxy-mark', text('tproxy-mark'), 1, 0xffff_fffe),
    tproxyTable: whole('tproxy-table', text('tproxy-table'), 1, 32_765),
  });
  faults.push(...(faults.length === 0 ? contradictions(config) : []));
  if (faults.length > 0) throw new UserError(faults.join('\noutrigger: '), 2);
  return config;
}

/** Settings that make no sense together. */
function contradictions(config: InterceptConfig): readonly string[] {
  const faults: string[] = [];
  const { outboundPort, inboundPort, dnsPort, healthPort, proxyUids, proxyGids, proxyMarks, outbound } = config;
  const used = new Map<number, string>();
  for (const [name, port] of [
    ['outbound-port', outboundPort],
    ['inbound-port', inboundPort],
    ['dns-port', dnsPort],
    ['health-port', healthPort],
  ] as const) {
    if (port === null) continue;
    const other = used.get(port);
    if (other === undefined) used.set(port, name);
    else faults.push(`--${name} and --${other} are both ${port}; give each a port of its own`);
  }
  for (const [name, ids] of [
    ['uid', proxyUids],
    ['gid', proxyGids],
  ] as const)
    if (ids.includes(0))
      faults.push(
        `--proxy-${name}: 0 is root's, and all that root's programs send would pass by the sidecar; run the sidecar as a user of its own (1337), or know it by --proxy-mark and --proxy-${name} none`,
      );
  if (proxyUids.length + proxyGids.length + proxyMarks.length === 0)
    faults.push(
      "--proxy-uid, --proxy-gid and --proxy-mark are all none: the sidecar's own connections would come back to it without end; name one",
    );
  if (dnsPort !== null && outbound.excludePorts.some(({ from, to }) => from <= 53 && 53 <= to))
    faults.push(
      '--dns-port wants questions to port 53, and --exclude-outbound-ports leaves them alone; leave out one of the two',
    );
  for (const mark of [config.tproxyMark, config.tproxyMark + 1])
    if (config.mode === 'tproxy' && proxyMarks.includes(mark))
      faults.push(
        `--tproxy-mark takes ${config.tproxyMark} and the next, and --proxy-mark has ${mark}; choose another`,
      );
  if (config.tproxyTable >= 253 && config.tproxyTable <= 255)
    faults.push(`--tproxy-table: ${config.tproxyTable} is a table of the system's own; choose another`);
  for (const [direction, selection] of [
    ['outbound', outbound],
    ['inbound', config.inbound],
  ] as const) {
    const { includePorts, excludePorts, includeRanges, excludeRanges } = selection;
    for (const both of sharedPorts(includePorts ?? [], excludePorts))
      faults.push(
        `port ${formatPortRange(both)} is in --include-${direction}-ports and in --exclude-${direction}-ports; leave it out of one`,
      );
    for (const include of includeRanges ?? [])
      for (const exclude of excludeRanges)
        if (holdsRange(exclude, include))
          faults.push(
            `${formatAddressRange(include)} is in --include-${direction}-ranges, and ${formatAddressRange(exclude)} of --exclude-${direction}-ranges takes all of it away; leave out one of the two`,
          );
  }
  if (
    healthPort !== null &&
    config.inbound.includePorts?.some(({ from, to }) => from <= healthPort && healthPort <= to)
  )
    faults.push(
      `port ${healthPort} is in --include-inbound-ports, and as --health-port it is never intercepted; leave out one of the two`,
    );
  return faults;
}

/** The flags that say the same, those at their defaults left out unless `all`. */
export function formatInterceptConfig(config: InterceptConfig, all = false): Readonly<Record<string, string>> {
  const list = (parts: readonly (string | number)[]): string => (parts.length === 0 ? 'none' : parts.join(','));
  const ports = (ranges: readonly PortRange[] | null): string =>
    ranges === null ? 'all' : list(ranges.map(formatPortRange));
  const ranges = (of: readonly AddressRange[] | null): string =>
    of === null ? 'all' : list(of.map(formatAddressRange));
  const selection = (direction: string, of: Selection): Record<string, string> => ({
    [`include-${direction}-ports`]: ports(of.includePorts),
    [`exclude-${direction}-ports`]: ports(of.excludePorts),
    [`include-${direction}-ranges`]: ranges(of.includeRanges),
    [`exclude-${direction}-ranges`]: ranges(of.excludeRanges),
  });
  const texts: Record<string, string> = {
    mode: config.mode,
    'outbound-port': String(config.outboundPort),
    'inbound-port': String(config.inboundPort),
    'dns-port': String(config.dnsPort ?? 'off'),
    'health-port': String(config.healthPort ?? 'off'),
    'proxy-uid': list(config.proxyUids),
    'proxy-gid': list(config.proxyGids),
    'proxy-mark': list(config.proxyMarks),
    ...selection('outbound', config.outbound),
    ...selection('inbound', config.inbound),
    'exclude-interfaces': list(config.excludeInterfaces),
    'exclude-uids': list(config.excludeUids),
    'exclude-gids': list(config.excludeGids),
    'tproxy-mark': String(config.tproxyMark),
    'tproxy-table': String(config.tproxyTable),
  };
  const shown = settingFlags.filter(({ name, value }) => all || texts[name] !== value);
  return { ipv6: config.ipv6 ? 'on' : 'off', ...Object.fromEntries(shown.map(({ name }) => [name, texts[name]!])) };
}
