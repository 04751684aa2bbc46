/** What the rules do with packets, by walking them through the rules of iptables as they are written, against what the settings mean, said anew. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Family, holdsAddress } from './address-range.ts';
import { type InterceptConfig, parseInterceptConfig, type Selection } from './intercept-config.ts';
import { holdsPort } from './port-range.ts';
import { iptablesTables } from './render-iptables.ts';
import { buildRuleSet } from './rule-set.ts';
import { arbitraryConfig } from './test/arbitrary-config.ts';
import { type Packet, walk } from './test/packet-walk.ts';

const loopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

function selected({ includePorts, excludePorts }: Selection, port: number): boolean {
  return (includePorts === null || holdsPort(includePorts, port)) && !holdsPort(excludePorts, port);
}

function inRanges({ includeRanges, excludeRanges }: Selection, address: string): boolean {
  return (includeRanges === null || holdsAddress(includeRanges, address)) && !holdsAddress(excludeRanges, address);
}

const leftAlone = (config: InterceptConfig, name: string): boolean =>
  config.excludeInterfaces.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );

function wantedOut(config: InterceptConfig, packet: Packet): string {
  const { uid = 0, gid = 0, mark, out = '', from, to, port, protocol } = packet;
  const isQuestion = config.dnsPort !== null && port === 53;
  const isOwn = config.proxyUids.includes(uid) || config.proxyGids.includes(gid) || config.proxyMarks.includes(mark);
  if (isOwn) {
    const toItself = out === 'lo' && !loopback(to) && from !== '127.0.0.6' && from !== '::6';
    const asCaller = config.mode === 'tproxy' && !packet.fromLocal;
    const isInbound = toItself && !asCaller && protocol === 'tcp' && port !== config.healthPort;
    return isInbound && selected(config.inbound, port) ? `REDIRECT ${config.inboundPort}` : 'pass';
  }
  if (config.excludeUids.includes(uid) || config.excludeGids.includes(gid) || leftAlone(config, out)) return 'pass';
  if (holdsAddress(config.outbound.excludeRanges, to)) return 'pass';
  if (isQuestion) return `REDIRECT ${config.dnsPort}`;
  if (out === 'lo' || protocol === 'udp') return 'pass';
  return selected(config.outbound, port) && inRanges(config.outbound, to) ? `REDIRECT ${config.outboundPort}` : 'pass';
}

function wantedIn(config: InterceptConfig, packet: Packet): string {
  const passes =
    packet.protocol === 'udp' ||
    // Nobody outside may say that it calls loopback.
    loopback(packet.to) ||
    !packet.toLocal ||
    leftAlone(config, packet.in ?? '') ||
    packet.port === config.healthPort;
  if (passes || !selected(config.inbound, packet.port) || !inRanges(config.inbound, packet.from)) return 'pass';
  return `${config.mode === 'tproxy' ? 'TPROXY' : 'REDIRECT'} ${config.inboundPort}`;
}

const packetOf = (family: Family): fc.Arbitrary<Packet> => {
  const address = (
    family === 'IPv4'
      ? fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 })).map(([a, b]) => `10.${a}.0.${b}`)
      : fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 })).map(([a, b]) => `fd0${a}::${b + 1}`)
  ) as fc.Arbitrary<string>;
  const special = family === 'IPv4' ? fc.constantFrom('127.0.0.1', '127.0.0.6') : fc.constantFrom('::1', '::6');
  const id = fc.integer({ min: 1336, max: 1343 });
  return fc.record({
    protocol: fc.constantFrom('tcp', 'udp'),
    from: fc.oneof(address, special),
    to: fc.oneof(address, special),
    port: fc.oneof(fc.integer({ min: 1, max: 430 }), fc.constantFrom(53, 49, 15_020)),
    out: fc.constantFrom('lo', 'eth0', 'docker0', 'br-1'),
    in: fc.constantFrom('eth0', 'docker0', 'br-1'),
    fromLocal: fc.boolean(),
    toLocal: fc.boolean(),
    uid: id,
    gid: id,
    mark: fc.constantFrom(0, 7, 1337),
  });
};

test.each(['IPv4', 'IPv6'] as const)('the rules do with every packet what the settings say (%s)', (family) => {
  fc.assert(
    fc.property(arbitraryConfig, fc.array(packetOf(family), { minLength: 20, maxLength: 20 }), (any, packets) => {
      const config = { ...any, ipv6: true };
      const { nat, mangle } = iptablesTables(buildRuleSet(config), family, []);
      for (const { in: _, ...packet } of packets) expect(walk(nat, 'OUTPUT', packet)).toBe(wantedOut(config, packet));
      for (const { out: _, uid: _u, gid: _g, ...packet } of packets) {
        const table = config.mode === 'tproxy' ? mangle : nat;
        expect(walk(table, 'PREROUTING', packet)).toBe(wantedIn(config, packet));
      }
    }),
    { numRuns: 300 },
  );
});

test('what is written by default, for iptables', () => {
  const { nat, mangle } = iptablesTables(buildRuleSet(parseInterceptConfig({})), 'IPv4', ['x']);
  expect(mangle.chains.size).toBe(0);
  expect(nat.hooks).toEqual(['OUTPUT -p tcp -j OUTRIGGER_OUTBOUND', 'PREROUTING -p tcp -j OUTRIGGER_INBOUND']);
  expect(Object.fromEntries(nat.chains)).toEqual({
    OUTRIGGER_ABOUT: ['-m comment --comment "x" -j RETURN'],
    OUTRIGGER_PROXY: [
      '! -o lo -j RETURN',
      '-d 127.0.0.0/8 -j RETURN',
      '-s 127.0.0.6/32 -j RETURN',
      '-p tcp -m tcp --dport 15020 -j RETURN',
      '-p tcp -j REDIRECT --to-ports 15006',
    ],
    OUTRIGGER_OUTBOUND: [
      '-m owner --uid-owner 1337 -g OUTRIGGER_PROXY',
      '-m owner --gid-owner 1337 -g OUTRIGGER_PROXY',
      '-m mark --mark 0x539 -g OUTRIGGER_PROXY',
      '-o lo -j RETURN',
      '-p tcp -j REDIRECT --to-ports 15001',
    ],
    OUTRIGGER_INBOUND: [
      '-d 127.0.0.0/8 ! -i lo -j RETURN',
      '-m addrtype ! --dst-type LOCAL -j RETURN',
      '-p tcp -m tcp --dport 15020 -j RETURN',
      '-p tcp -j REDIRECT --to-ports 15006',
    ],
  });
});

test('more ports than one rule of iptables takes become several', () => {
  const list = Array.from({ length: 20 }, (_, at) => String(at * 2 + 1)).join(',');
  const { nat } = iptablesTables(
    buildRuleSet(parseInterceptConfig({ 'exclude-outbound-ports': `${list},900-950` })),
    'IPv4',
    [],
  );
  const rules = nat.chains.get('OUTRIGGER_OUTBOUND')!.filter((rule) => rule.includes('multiport'));
  expect(rules).toEqual([
    '-p tcp -m multiport --dports 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29 -j RETURN',
    '-p tcp -m multiport --dports 31,33,35,37,39,900:950 -j RETURN',
  ]);
});
