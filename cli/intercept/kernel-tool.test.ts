import { expect, test } from 'vitest';
import { faultText, stepScript } from './kernel-tool.ts';

test.each([
  [
    'iptables-restore',
    'iptables-restore v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)',
    /root, or give the container the capabilities NET_ADMIN/,
  ],
  [
    'ip6tables-restore',
    "ip6tables-restore v1.8.9 (legacy): ip6tables-restore: unable to initialize table 'nat'\nTable does not exist (do you need to insmod?)",
    /modprobe ip6table_nat .* on the host, or use --backend nftables/,
  ],
  [
    'iptables-restore',
    'Warning: Extension owner revision 0 not supported, missing kernel module?\niptables-restore: line 9 failed',
    /modprobe xt_owner on the host/,
  ],
  [
    'nft',
    '/dev/stdin:22:5-30: Error: Could not process rule: No such file or directory',
    /modprobe nf_tables .*nft_tproxy.*, or use --backend iptables/,
  ],
  ['ip', 'Error: Nexthop device is not up.', /ip link set lo up/],
  ['nft', '', /nft says: it failed without a word/],
])('a fault of %s has a next step: %s', (program, stderr, expected) => {
  expect(faultText([program], stderr)).toMatch(expected);
});

test('a step is written as a shell takes it', () => {
  expect(stepScript([{ what: 'why', words: ['ip', 'a b', "it's"] }])).toBe("set -e\n# why\nip 'a b' 'it'\\''s'\n");
  expect(stepScript([{ what: 'why', words: ['nft', '-f', '-'], input: 'x\n' }])).toBe(
    "set -e\n# why\nnft -f - <<'END'\nx\nEND\n",
  );
});
