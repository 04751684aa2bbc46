import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseInterceptConfig } from './intercept-config.ts';
import { nftablesReplacement, nftablesText, nftDifferences, parseNftablesTable } from './render-nftables.ts';
import { buildRuleSet } from './rule-set.ts';
import { arbitraryConfig } from './test/arbitrary-config.ts';

test('what is written, with TPROXY and IPv4 only', () => {
  const config = parseInterceptConfig({
    mode: 'tproxy',
    ipv6: 'off',
    'dns-port': '15053',
    'exclude-outbound-ports': '25,5432-5433',
    'include-outbound-ranges': '10.0.0.0/8,fd00::/8,192.168.1.5',
  });
  const text = nftablesText(buildRuleSet(config), { config, made: [] });
  expect(text.replaceAll(/^ +return comment "outrigger .*\n/gm, '')).toBe(`add table inet outrigger
delete table inet outrigger
table inet outrigger {
  chain about {
  }
  chain proxy {
    oifname != "lo" return comment "to others: out it goes"
    meta nfproto ipv4 ip daddr 127.0.0.0/8 return comment "to the application"
    meta nfproto ipv4 ip saddr 127.0.0.6/32 return comment "an inbound connection, handed on"
    fib saddr type != local return comment "an inbound connection, under the caller's address"
    tcp dport 15020 return comment "to a port that is left alone"
    meta l4proto tcp redirect to :15006 comment "the application calls itself"
  }
  chain outbound {
    type nat hook output priority -101; policy accept;
    meta nfproto ipv6 return
    meta skuid 1337 goto proxy comment "the proxy's user"
    meta skgid 1337 goto proxy comment "the proxy's group"
    meta mark 1337 goto proxy comment "the proxy's mark"
    udp dport 53 redirect to :15053 comment "questions to name servers"
    tcp dport 53 redirect to :15053 comment "the same by TCP"
    oifname "lo" return comment "to itself, by an address of the host"
    tcp dport { 25, 5432-5433 } return comment "to ports that are left alone"
    meta nfproto ipv4 ip daddr { 10.0.0.0/8, 192.168.1.5/32 } meta l4proto tcp redirect to :15001 comment "what is intercepted"
  }
  chain taken {
    meta l4proto tcp ct mark set 1339 comment "remember"
    meta l4proto tcp tproxy to :15006 accept comment "to the proxy"
    drop comment "nobody listens there"
  }
  chain inbound {
    type filter hook prerouting priority -151; policy accept;
    meta nfproto ipv6 return
    iifname "lo" return comment "from the host itself"
    meta nfproto ipv4 ip daddr 127.0.0.0/8 iifname != "lo" return comment "forged: nobody outside is on loopback"
    ct mark 1339 ct direction original goto taken comment "of a connection that was taken"
    ct state != new return comment "of a connection that was not"
    fib daddr type != local return comment "only on its way through"
    tcp dport 15020 return comment "to ports that are left alone"
    meta l4proto tcp goto taken comment "what is intercepted"
  }
  chain answers {
    type route hook output priority -151; policy accept;
    meta nfproto ipv6 return
    ct mark 1338 ct direction reply meta mark set 1338 comment "the application's answer to a caller's address"
    oifname "lo" fib saddr type != local ct direction original ct mark set 1338 comment "the proxy's connection to the application, under the caller's address"
  }
}
`);
});

test('what is written is read again, whole, and says of what it is', () => {
  fc.assert(
    fc.property(arbitraryConfig, (config) => {
      const text = nftablesText(buildRuleSet(config), { config, made: [] });
      const table = text.slice(text.indexOf('\ntable') + 1);
      const read = parseNftablesTable(table)!;
      expect(read.marker?.config).toEqual(config);
      expect(nftDifferences(read, read)).toEqual([]);
      expect(nftablesReplacement(read.text)).toBe(text);
    }),
  );
});

test('counts what is missing', () => {
  const read = (rules: string): NonNullable<ReturnType<typeof parseNftablesTable>> =>
    parseNftablesTable(
      `table inet outrigger {\n\tchain a {\n\t\ttype nat hook output priority -101; policy accept;\n${rules}\t}\n}\n`,
    )!;
  expect(nftDifferences(read(''), read('\t\treturn\n'))).toEqual(['in table inet outrigger, a has 0 rules, not 1']);
  expect(parseNftablesTable('table inet others {\n}\n')).toBeNull();
  expect(parseNftablesTable('# Warning: …\ntable inet outrigger {\n}\n')?.rules.size).toBe(0);
});
